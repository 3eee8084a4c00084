/**
 * PyTorch's .pt files of tensors by name: a ZIP archive of a pickle and one entry of plain numbers a storage.
 *
 * The pickle may only say what a state dict says (`pickle.ts`); nothing in it is run. Not read: files from before PyTorch 1.6,
 * which are pickles without an archive; whole modules; sparse and quantised tensors.
 * Source: torch/serialization.py (`_save`, `persistent_id`), torch/_utils.py (`_rebuild_tensor_v2`).
 */

import type { ByteSource } from './byteSource.ts'
import { DTYPE_BYTES, elementCount } from './dtypes.ts'
import { FormatError } from './errors.ts'
import { quote } from './json.ts'
import { type PickleFail, type PickleHost, type PickleValue, parsePickle } from './pickle.ts'
import type { Dtype, Tensor } from './tensor.ts'
import type { TensorFile } from './tensorFile.ts'
import { openZip, type ZipEntry } from './zip.ts'

const STORAGES: Readonly<Record<string, Dtype>> = {
  'torch.DoubleStorage': 'F64',
  'torch.FloatStorage': 'F32',
  'torch.HalfStorage': 'F16',
  'torch.BFloat16Storage': 'BF16',
  'torch.LongStorage': 'I64',
  'torch.IntStorage': 'I32',
  'torch.ShortStorage': 'I16',
  'torch.CharStorage': 'I8',
  'torch.ByteStorage': 'U8',
  'torch.BoolStorage': 'BOOL',
}
const CALLS = [
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
] as const
/** Some 300 bytes a tensor. A byte can make a dictionary of 200 bytes in memory, and a deflated one takes next to none in the file. */
const MAX_PICKLE_BYTES = 2 ** 20
const MAX_AXES = 64
const NOT_A_STATE_DICT = 'Save a state dict: torch.save(module.state_dict(), path).'

type Storage = { readonly dtype: Dtype; readonly key: string; readonly n: number }
/** A tensor as a view of a storage, sizes and steps in elements. */
type View = {
  readonly storage: Storage
  readonly start: number
  readonly shape: readonly number[]
  readonly stride: readonly number[]
}
/** What the pickle's names and calls make. */
type Made =
  | { readonly call: (typeof CALLS)[number] }
  | { readonly storageOf: Dtype }
  | { readonly storage: Storage }
  | { readonly view: View }

/**
 * Opens a file that `torch.save` wrote of a state dict.
 * @throws FormatError if it is no such archive, its pickle says more than a state dict does (naming what), or a tensor
 *   reaches beyond its storage.
 */
export async function openTorch(source: ByteSource): Promise<TensorFile> {
  await refuseLegacy(source)
  const entries = new Map((await openZip(source, 'balanced')).map((entry) => [entry.name, entry]))
  const pickle = [...entries.values()].find(
    ({ name }) => name.endsWith('/data.pkl') && name.split('/').length === 2,
  )
  if (pickle === undefined) {
    throw new FormatError(
      source.name,
      `holds no data.pkl, as files of torch.save do. Is it another archive?`,
    )
  }
  if (pickle.size_bytes > MAX_PICKLE_BYTES) {
    throw new FormatError(
      pickle.path,
      `has ${pickle.size_bytes} bytes, expected at most ${MAX_PICKLE_BYTES} for a state dict.`,
    )
  }
  const folder = pickle.name.slice(0, -'data.pkl'.length)
  const inFolder = (name: string) => entries.get(`${folder}${name}`)
  const order = inFolder('byteorder')
  if (order !== undefined && new TextDecoder().decode(await order.read()).trim() !== 'little') {
    throw new FormatError(
      order.path,
      'says the numbers are big-endian, expected little. Save it on another machine.',
    )
  }
  const root = parsePickle(pickle.path, await pickle.read(), HOST)
  const views = viewsOf(root, pickle.path)
  for (const [name, view] of views)
    checkView(name, view, inFolder(`data/${view.storage.key}`), pickle.path)
  return {
    name: source.name,
    tensors: new Map(
      [...views].map(([name, { storage, shape }]) => [name, { dtype: storage.dtype, shape }]),
    ),
    async read(name) {
      const view = views.get(name)
      if (view === undefined) {
        throw new FormatError(
          source.name,
          `has no tensor ${quote(name)}; it has ${quote([...views.keys()])}.`,
        )
      }
      return gather(view, await inFolder(`data/${view.storage.key}`)!.read())
    },
  }
}

/** Names and calls mean this and nothing else. */
const HOST: PickleHost = {
  global(name, fail) {
    if (Object.hasOwn(STORAGES, name)) return made({ storageOf: STORAGES[name]! })
    const call = CALLS.find((known) => known === name)
    if (call !== undefined) return made({ call })
    throw fail(
      `asks for ${quote(name)}, which a state dict does not need; nothing was run. A file that asks for more may be hostile: get it from whom you trust, as safetensors.`,
    )
  },
  call(callee, args, fail) {
    const of = madeOf(callee)
    if (of === undefined || !('call' in of))
      throw fail(`calls what is no function. ${NOT_A_STATE_DICT}`)
    switch (of.call) {
      case 'collections.OrderedDict':
        if (args.length > 0)
          throw fail(
            `makes a dictionary from ${args.length} arguments, expected none. ${NOT_A_STATE_DICT}`,
          )
        return new Map()
      case 'torch._utils._rebuild_parameter':
        return args[0] ?? null
      case 'torch._utils._rebuild_tensor_v2':
        return made({ view: viewOf(args, fail) })
      default:
        throw of.call satisfies never
    }
  },
  persistent(id, fail) {
    const [kind, type, key, , n] = Array.isArray(id) ? id : []
    const of = madeOf(type)
    if (
      kind !== 'storage' ||
      of === undefined ||
      !('storageOf' in of) ||
      typeof key !== 'string' ||
      !isSize(n)
    ) {
      throw fail(`refers to something other than a storage of numbers. ${NOT_A_STATE_DICT}`)
    }
    return made({ storage: { dtype: of.storageOf, key, n } })
  },
}

function viewOf([storage, start, shape, stride]: readonly PickleValue[], fail: PickleFail): View {
  const of = madeOf(storage)
  // Before its sizes are looked at: one long list may be the shape of very many tensors.
  const n_axes = Array.isArray(shape) ? shape.length : 0
  if (n_axes > MAX_AXES) {
    throw fail(
      `makes a tensor of ${n_axes} axes, expected at most ${MAX_AXES}. ${NOT_A_STATE_DICT}`,
    )
  }
  if (
    of === undefined ||
    !('storage' in of) ||
    !isSize(start) ||
    !isSizes(shape) ||
    !isSizes(stride) ||
    shape.length !== stride.length
  ) {
    throw fail(`describes a tensor in another way than PyTorch does. ${NOT_A_STATE_DICT}`)
  }
  return { storage: of.storage, start, shape, stride }
}

function viewsOf(root: PickleValue, path: string): Map<string, View> {
  if (!(root instanceof Map))
    throw new FormatError(path, `is no dictionary of tensors. ${NOT_A_STATE_DICT}`)
  const views = new Map<string, View>()
  for (const [name, value] of root) {
    const of = madeOf(value)
    if (typeof name !== 'string' || of === undefined || !('view' in of)) {
      throw new FormatError(
        path,
        `holds ${quote(name)}, which is no tensor by name. ${NOT_A_STATE_DICT}`,
      )
    }
    views.set(name, of.view)
  }
  return views
}

/** A tensor must lie inside its storage, and may not repeat elements: its memory is bounded by the file's. */
function checkView(
  name: string,
  { storage, start, shape, stride }: View,
  entry: ZipEntry | undefined,
  path: string,
): void {
  const fail = (message: string) =>
    new FormatError(
      path,
      `tensor ${quote(name)} ${message} The file is damaged: copy or download it again.`,
    )
  const size_bytes = storage.n * DTYPE_BYTES[storage.dtype]
  if (entry === undefined)
    throw fail(`lies in the storage ${quote(storage.key)}, which the archive does not hold.`)
  if (entry.size_bytes !== size_bytes) {
    throw fail(
      `lies in a storage of ${entry.size_bytes} bytes, expected ${size_bytes} for ${storage.n} numbers of ${storage.dtype}.`,
    )
  }
  const n = elementCount(shape)
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * stride[axis]!, start)
  if (n > storage.n || (n > 0 && last >= storage.n)) {
    throw fail(
      `of shape ${quote(shape)} and steps ${quote(stride)} from ${start} reaches beyond its storage of ${storage.n} numbers.`,
    )
  }
}

/** The tensor's numbers in row-major order; where they lie so already, they share the storage's memory. */
function gather({ storage, start, shape, stride }: View, bytes: Uint8Array): Tensor {
  const { dtype } = storage
  const width = DTYPE_BYTES[dtype]
  const n = elementCount(shape)
  const isRowMajor = shape.every(
    (size, axis) => size === 1 || stride[axis] === elementCount(shape.slice(axis + 1)),
  )
  if (isRowMajor || n === 0)
    return { dtype, shape, bytes: bytes.subarray(start * width, (start + n) * width) }
  const out = new Uint8Array(n * width)
  const at = new Array<number>(shape.length).fill(0)
  const words = wordsOf(width)
  const [from, to] = [new words(bytes.buffer, bytes.byteOffset, storage.n), new words(out.buffer)]
  let source = start
  for (let i = 0; i < n; i++) {
    to[i] = from[source]!
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at[axis]!++
      source += stride[axis]!
      if (at[axis]! < shape[axis]!) break
      source -= at[axis]! * stride[axis]!
      at[axis] = 0
    }
  }
  return { dtype, shape, bytes: out }
}

/** Elements are moved as words of their width, never read as numbers. */
function wordsOf(
  width: number,
): new (
  buffer: ArrayBufferLike,
  offset?: number,
  length?: number,
) => { [index: number]: number | bigint } {
  switch (width) {
    case 8:
      return BigUint64Array
    case 4:
      return Uint32Array
    case 2:
      return Uint16Array
    default:
      return Uint8Array
  }
}

/** Before 1.6 torch.save wrote a pickle of a fixed number first: 0x1950a86a20f9469cfc6c. */
async function refuseLegacy(source: ByteSource): Promise<void> {
  const head = await source.read(0, Math.min(source.size_bytes, 4))
  if (head[0] === 0x80) {
    throw new FormatError(
      source.name,
      'is a pickle without an archive, as PyTorch wrote before 1.6; expected a ZIP archive. Load it in PyTorch and save it again with torch.save.',
      { offset_bytes: 0 },
    )
  }
}

const isSize = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
const isSizes = (value: PickleValue | undefined): value is number[] =>
  Array.isArray(value) && value.length <= MAX_AXES && value.every(isSize)
const made = (host: Made): PickleValue => ({ host })

function madeOf(value: PickleValue | undefined): Made | undefined {
  return typeof value === 'object' && value !== null && 'host' in value
    ? (value.host as Made)
    : undefined
}
