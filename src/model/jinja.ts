/**
 * A Jinja template, run within limits: a chat template comes with a model, and may be anything.
 *
 * `@huggingface/jinja` offers no limits and differs from Python's Jinja, which templates are written for, in two places that
 * they use; both are put right here. What was written in a pass of a loop before its `break` or `continue` is kept, and
 * `strip`, `lstrip` and `rstrip` heed which characters they are told to take off.
 */

import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja'
import { FormatError } from '../formats/index.ts'

/** Template text: many times the longest known. */
const MAX_TEMPLATE_CHARS = 1 << 18
/** The lexer tries every run of white space from each of its characters. */
const MAX_BLANK_CHARS = 1 << 12
/** Nodes that are evaluated: about a hundred a message. */
const MAX_STEPS = 200_000
/** Characters or entries of one value, and of all values that are made. */
const MAX_VALUE = 1 << 22
const MAX_VALUES = 1 << 27
const MAX_RANGE = 100_000
const MAX_MS = 5000

/** What a template says itself, by raise_exception. */
export class TemplateRefusal extends Error {
  override readonly name = 'TemplateRefusal'
}

/** What is used of the library; its own types name files that TypeScript does not find, and are `any`. */
type Node = { readonly type: string }
type Value = { readonly type: string; readonly value: unknown; toString(): string }
type Scope = { set(name: string, value: unknown): Value }
type Evaluator = {
  run(program: Node): Value
  evaluate(node: Node | undefined, scope: Scope): Value
}
const BaseInterpreter = Interpreter as unknown as new (scope: Scope) => Evaluator
const openScope = (): Scope => new Environment() as unknown as Scope

/**
 * Renders a template as Hugging Face does: blocks trimmed, `raise_exception`, `strftime_now` and loop controls known.
 * @param path where the template comes from, for errors.
 * @throws TemplateRefusal where the template raises; FormatError if it is not Jinja, fails, or exceeds a limit on time, steps
 *   or output.
 */
export function renderTemplate(
  path: string,
  template: string,
  variables: Readonly<Record<string, unknown>>,
  now: Date = new Date(),
): string {
  const scope = openScope()
  for (const [name, value] of Object.entries({ ...globals(now), ...variables })) {
    scope.set(name, value)
  }
  try {
    checkTemplate(template)
    const tokens = tokenize(template, { lstrip_blocks: true, trim_blocks: true })
    const rendered = new LimitedInterpreter(scope).run(parse(tokens))
    return String(rendered.value)
  } catch (cause) {
    if (cause instanceof TemplateRefusal) throw cause
    throw new FormatError(path, `the chat template cannot be run: ${reasonOf(cause)}`, { cause })
  }
}

/** The library's words, but for those of the machine inside it. */
function reasonOf(cause: unknown): string {
  const { message } = cause as Error
  if (message.startsWith('Cannot read properties')) return 'it ends where more is expected.'
  return /call stack/.test(message) ? 'it nests too deep.' : message
}

function checkTemplate(template: string): void {
  if (template.length > MAX_TEMPLATE_CHARS) {
    throw new RangeError(
      `it has ${template.length} characters, expected at most ${MAX_TEMPLATE_CHARS}.`,
    )
  }
  for (const { 0: blank } of template.matchAll(/\s+/g)) {
    if (blank.length <= MAX_BLANK_CHARS) continue
    throw new RangeError(
      `it has ${blank.length} blank characters in a row, expected at most ${MAX_BLANK_CHARS}.`,
    )
  }
}

function globals(now: Date): Record<string, unknown> {
  return {
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range,
    raise_exception: (message: unknown) => {
      throw new TemplateRefusal(String(message))
    },
    strftime_now: (format: unknown) => strftime(String(format), now),
  }
}

/** Python's range, of at most MAX_RANGE numbers. */
function range(...args: number[]): number[] {
  const [start, stop, step] =
    args.length === 1 ? [0, args[0]!, 1] : [args[0]!, args[1]!, args[2] ?? 1]
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (step !== 0 && length <= MAX_RANGE) return Array.from({ length }, (_, i) => start + i * step)
  throw new RangeError(`range(${args.join(', ')}) has more than ${MAX_RANGE} numbers.`)
}

const MONTHS =
  'January February March April May June July August September October November December'.split(' ')
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ')

/** Python's strftime in English and local time; other directives than these stay as they are. */
function strftime(format: string, now: Date): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  const fields: Record<string, string> = {
    Y: String(now.getFullYear()),
    y: two(now.getFullYear() % 100),
    m: two(now.getMonth() + 1),
    d: two(now.getDate()),
    H: two(now.getHours()),
    I: two(now.getHours() % 12 || 12),
    M: two(now.getMinutes()),
    S: two(now.getSeconds()),
    p: now.getHours() < 12 ? 'AM' : 'PM',
    B: MONTHS[now.getMonth()]!,
    b: MONTHS[now.getMonth()]!.slice(0, 3),
    A: DAYS[now.getDay()]!,
    a: DAYS[now.getDay()]!.slice(0, 3),
    '%': '%',
  }
  return format.replace(/%(.)/g, (directive, letter: string) => fields[letter] ?? directive)
}

class LimitedInterpreter extends BaseInterpreter {
  readonly #end_ms = performance.now() + MAX_MS
  #n_steps = 0
  #n_values = 0
  /** Bodies of loops, and what each `break` and `continue` under way has written before it. */
  readonly #bodies = new WeakSet<object>()
  readonly #written = new WeakMap<object, { text: string; isBreak: boolean }>()
  /** Loops, by their scope, that end before their next pass. */
  readonly #broken = new WeakMap<Scope, unknown>()

  constructor(scope: Scope) {
    super(scope)
    // Private in the library's types, but called by every statement with a body.
    Object.defineProperty(this, 'evaluateBlock', { value: this.#evaluateBlock.bind(this) })
  }

  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (++this.#n_steps > MAX_STEPS) throw new RangeError(`it takes more than ${MAX_STEPS} steps.`)
    if (performance.now() > this.#end_ms) throw new RangeError(`it takes more than ${MAX_MS} ms.`)
    if (node === undefined) return super.evaluate(node, scope)
    if (node.type === 'For') this.#bodies.add((node as Node & { body: Node[] }).body)
    const value = this.#strip(node, scope) ?? this.#evaluate(node, scope)
    const size = sizeOf(value.value)
    this.#n_values += size
    if (size <= MAX_VALUE && this.#n_values <= MAX_VALUES) return value
    throw new RangeError(`it makes values of more than ${MAX_VALUE} characters, or too many.`)
  }

  #evaluate(node: Node, scope: Scope): Value {
    if (node.type !== 'Break' && node.type !== 'Continue') return super.evaluate(node, scope)
    try {
      return super.evaluate(node, scope)
    } catch (control) {
      this.#written.set(control as Error, { text: '', isBreak: node.type === 'Break' })
      throw control
    }
  }

  #evaluateBlock(statements: readonly Node[], scope: Scope): Value {
    const isLoop = this.#bodies.has(statements)
    if (isLoop && this.#broken.has(scope)) throw this.#broken.get(scope)
    let text = ''
    try {
      for (const statement of statements) {
        const value = this.evaluate(statement, scope)
        if (value.type !== 'NullValue' && value.type !== 'UndefinedValue') text += value.toString()
      }
    } catch (control) {
      const written = this.#written.get(control as Error)
      if (written === undefined) throw control
      text += written.text
      this.#written.set(control as Error, { ...written, text })
      if (!isLoop) throw control
      if (written.isBreak) this.#broken.set(scope, control)
    }
    return stringValue(text)
  }

  /** `text.strip(characters)` and its two sisters; undefined where the node is something else. */
  #strip(node: Node, scope: Scope): Value | undefined {
    if (node.type !== 'CallExpression') return undefined
    const { callee, args } = node as Node & { callee: Node; args: Node[] }
    if (callee.type !== 'MemberExpression' || args.length !== 1) return undefined
    const { object, property } = callee as Node & {
      object: Node
      property: Node & { value: unknown }
    }
    const name = String(property.value)
    if (!/^[lr]?strip$/.test(name)) return undefined
    const text = this.evaluate(object, scope).value
    const chars = this.evaluate(args[0], scope).value
    if (typeof text !== 'string' || typeof chars !== 'string') return undefined
    const all = Array.from(text)
    const taken = new Set(chars)
    let [from, to] = [0, all.length]
    if (name !== 'rstrip') while (from < to && taken.has(all[from]!)) from++
    if (name !== 'lstrip') while (to > from && taken.has(all[to - 1]!)) to--
    return stringValue(all.slice(from, to).join(''))
  }
}

const stringValue = (text: string): Value => openScope().set('text', text)

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  return value instanceof Map ? value.size : 0
}
