/** Pickles as lists of operations: what torch.save writes of a state dict, and what nobody should. Nothing here runs one. */

import { type Bytes, integer, join, text } from './bytes.ts'
import { HOSTILE_NAMES } from './json.ts'
import type { Random } from './random.ts'

/** One operation with its argument, as bytes. */
export type Operation = Bytes

/** A tensor of a state dict: a view of a storage, sizes and steps in elements. */
export type StateTensor = {
  readonly name: string
  readonly storage: string
  readonly key: string
  readonly n: number
  readonly start: number
  readonly shape: readonly number[]
  readonly stride: readonly number[]
}

const code = (character: string): Operation => text(character)
const op = (byte: number, ...argument: readonly Uint8Array[]): Operation =>
  join(Uint8Array.of(byte), ...argument)
const unicode = (value: string): Operation => op(0x58, integer(4, text(value).length), text(value))
const global = (module: string, name: string): Operation => text(`c${module}\n${name}\n`)
const number = (value: number): Operation =>
  value < 256 ? op(0x4b, integer(1, value)) : op(0x4a, integer(4, value))
const remember = (key: number): Operation => op(0x71, integer(1, key))
const tuple = (sizes: readonly number[]): Operation[] => [
  code('('),
  ...sizes.map(number),
  code('t'),
]

/** The pickle of a state dict, operation by operation, as torch.save writes it. */
export function stateDict(tensors: readonly StateTensor[]): Operation[] {
  const items = tensors.flatMap(({ name, storage, key, n, start, shape, stride }, i) => [
    unicode(name),
    remember(10 + i),
    global('torch._utils', '_rebuild_tensor_v2'),
    code('('),
    code('('),
    unicode('storage'),
    global('torch', storage),
    unicode(key),
    unicode('cpu'),
    number(n),
    code('t'),
    code('Q'),
    number(start),
    ...tuple(shape),
    ...tuple(stride),
    op(0x89), // requires_grad
    global('collections', 'OrderedDict'),
    code(')'),
    code('R'),
    code('t'),
    code('R'),
    remember(100 + i),
  ])
  return [
    op(0x80, integer(1, 2)),
    code('}'),
    remember(0),
    code('('),
    ...items,
    code('u'),
    code('.'),
  ]
}

export function renderPickle(operations: readonly Operation[]): Bytes {
  return join(...operations)
}

/** Names that a pickle must not reach. */
const HOSTILE_GLOBALS = [
  ['os', 'system'], ['posix', 'system'], ['nt', 'system'], ['builtins', 'eval'], ['__builtin__', 'exec'], ['builtins', 'getattr'],
  ['subprocess', 'Popen'], ['torch.hub', 'load'], ['numpy.core.multiarray', '_reconstruct'], ['collections', 'defaultdict'],
  ['torch', 'FloatTensor'], ['torch._utils', '_rebuild_sparse_tensor'], ['torch._utils', '_rebuild_parameter'], ['Object', 'constructor'],
  ['__proto__', 'constructor'], ['torch', 'toString'], ['', ''], ['torch', '__proto__'], ['child_process', 'execSync'],
] as const // biome-ignore format: one list

/** Every operation of protocols 0 to 5 that takes no argument. */
const PLAIN = [
  ...text('(.02NQR]ablodstu})'),
  0x81,
  0x85,
  0x86,
  0x87,
  0x88,
  0x89,
  0x8f,
  0x90,
  0x91,
  0x92,
  0x93,
  0x94,
  0x97,
  0x98,
]

/** Nested deep enough to end a recursion, and left on the stack as one value. */
function deep(random: Random): Operation[] {
  const n = random.pick([3, 40, 3000, 30_000])
  const [open, close] = random.pick([[']', 'a'], ['(', 't']] as const) // biome-ignore format: pairs
  const last = open === '(' ? [code(open), code(close)] : [code(open)]
  return [text(open.repeat(n)), ...last, text(close.repeat(n))]
}

/** One operation that a pickle may hold, whatever it does to the stack there. */
function anyOperation(random: Random): Operation[] {
  switch (random.below(9)) {
    case 0:
      return [op(random.pick(PLAIN))]
    case 1: {
      const [module, name] = random.pick(HOSTILE_GLOBALS)
      const call = [code(')'), code('R')]
      return random.once(2) ? [global(module, name)] : [global(module, name), ...call]
    }
    case 2:
      return [op(random.pick([0x68, 0x71]), integer(1, random.below(256)))]
    case 3:
      return [op(random.pick([0x6a, 0x72]), integer(4, random.integer()))]
    case 4:
      return [op(random.pick([0x4a, 0x4d, 0x4b, 0x47]), integer(8, random.integer()))]
    case 5: {
      const length = random.below(12)
      return [op(0x8a, integer(1, length), random.bytes(length))]
    }
    case 6: {
      // Texts and bytes that say how long they are.
      const [byte, width] = random.pick([[0x58, 4], [0x8c, 1], [0x8d, 8], [0x42, 4], [0x43, 1], [0x54, 4], [0x55, 1], [0x8e, 8], [0x96, 8]] as const) // biome-ignore format: pairs
      const name = text(random.pick(HOSTILE_NAMES))
      return [op(byte, integer(width, random.once(2) ? name.length : random.integer()), name)]
    }
    case 7:
      return [text(random.pick(['I01\n', 'I5\n', 'L7L\n', 'F1e400\n', "S'x'\n", 'V\\u0041\n', 'g0\n', 'p0\n', 'Pstorage\n', 'ios\nsystem\n', '\u0082\u0001', '\u0095']))] // biome-ignore format: one line
    default:
      return random.once(20) ? deep(random) : [op(random.below(256), random.bytes(random.below(5)))]
  }
}

/** One change of a pickle: an operation put in, taken out, doubled, moved, or its argument changed. */
export function mutateOperations(random: Random, operations: Operation[]): void {
  const at = random.below(operations.length)
  switch (operations.length === 0 ? 0 : random.below(8)) {
    case 0:
    case 1:
      operations.splice(at, 0, ...anyOperation(random))
      return
    case 2:
      operations.splice(at, 1 + random.length(3))
      return
    case 3:
      operations.splice(at, 0, operations[random.below(operations.length)]!)
      return
    case 4:
      operations.splice(at, 1, ...anyOperation(random))
      return
    case 5: {
      const other = random.below(operations.length)
      const moved = operations[at]!
      operations[at] = operations[other]!
      operations[other] = moved
      return
    }
    default: {
      // An argument: names and lengths where there are some, else numbers.
      const changed = operations[at]!.slice()
      const field = integer(random.pick([1, 4]), random.integer())
      if (changed.length > 1) changed.set(field.subarray(0, changed.length - 1), 1)
      operations[at] = changed
    }
  }
}
