/**
 * The part of Python's pickle that a dictionary of tensors needs, read without running anything.
 *
 * A pickle is a program for a stack machine that may name any function of Python and call it. Here a name means only what the
 * reader's host says it means, and only the operations that `torch.save` writes for plain data are known; every other name and
 * operation is refused by name. Memory is bounded by the length of the pickle: an operation takes at least one byte and makes
 * at most one value.
 * Source: Lib/pickletools.py of CPython (the operations' description), protocol 2.
 */

import { FormatError } from './errors.ts'
import { quote } from './json.ts'

/** What a pickle is made of. Lists and tuples are arrays, dictionaries maps; `host` holds what the host made. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | { readonly host: unknown }

/** What names and calls mean. Each refuses by throwing what `fail` makes. */
export type PickleHost = {
  global(name: string, fail: PickleFail): PickleValue
  call(callee: PickleValue, args: readonly PickleValue[], fail: PickleFail): PickleValue
  persistent(id: PickleValue, fail: PickleFail): PickleValue
}

/** An error at the operation being read. */
export type PickleFail = (message: string) => FormatError

const DAMAGED = 'The file is damaged: copy or download it again.'
const RESAVE = 'Load it in the program that made it and save its tensors as safetensors.'

/** The one thing on the stack that is not a value. */
const MARK = Symbol('mark')

/** Names of the operations that are refused, for messages. */
const REFUSED: Readonly<Record<number, string>> = {
  70: 'FLOAT', 73: 'INT', 76: 'LONG', 80: 'PERSID', 83: 'STRING', 84: 'BINSTRING', 85: 'SHORT_BINSTRING',
  86: 'UNICODE', 105: 'INST', 111: 'OBJ', 48: 'POP', 49: 'POP_MARK', 50: 'DUP', 100: 'DICT', 108: 'LIST', 103: 'GET',
  112: 'PUT', 129: 'NEWOBJ', 130: 'EXT1', 131: 'EXT2', 132: 'EXT4', 139: 'LONG4', 66: 'BINBYTES', 67: 'SHORT_BINBYTES',
  140: 'SHORT_BINUNICODE', 141: 'BINUNICODE8', 142: 'BINBYTES8', 143: 'EMPTY_SET', 144: 'ADDITEMS', 145: 'FROZENSET',
  146: 'NEWOBJ_EX', 147: 'STACK_GLOBAL', 148: 'MEMOIZE', 149: 'FRAME', 150: 'BYTEARRAY8', 151: 'NEXT_BUFFER',
  152: 'READONLY_BUFFER',
} // biome-ignore format: a table

/**
 * Reads one pickle of protocol 2, to its last byte.
 * @param name for messages.
 * @throws FormatError naming the operation or name that is refused, and where; also for anything cut short or left over.
 */
export function parsePickle(name: string, bytes: Uint8Array, host: PickleHost): PickleValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const stack: (PickleValue | typeof MARK)[] = []
  const memo = new Map<number, PickleValue>()
  let at = 0
  let opened = 0
  const fail: PickleFail = (message) => new FormatError(name, message, { offset_bytes: opened })
  const take = (length: number): number => {
    const from = at
    at += length
    if (at > bytes.length) throw fail(`ends inside an operation. ${DAMAGED}`)
    return from
  }
  const utf8 = (length: number): string => {
    const from = take(length)
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(from, at))
    } catch (cause) {
      throw new FormatError(name, `holds text that is not UTF-8. ${DAMAGED}`, {
        offset_bytes: from,
        cause,
      })
    }
  }
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at)
    if (end < 0) throw fail(`ends inside a name. ${DAMAGED}`)
    const text = utf8(end - at)
    at = end + 1
    return text
  }
  const pop = (): PickleValue => {
    const value = stack.pop()
    if (value === undefined || value === MARK)
      throw fail(`takes a value that is not there. ${DAMAGED}`)
    return value
  }
  const popToMark = (): PickleValue[] => {
    const mark = stack.lastIndexOf(MARK)
    if (mark < 0) throw fail(`closes a list that was not opened. ${DAMAGED}`)
    const values = stack.splice(mark) as (PickleValue | typeof MARK)[]
    return values.slice(1) as PickleValue[]
  }
  const top = (): PickleValue => {
    const value = pop()
    stack.push(value)
    return value
  }
  const put = (key: number): void => {
    memo.set(key, top())
  }
  const get = (key: number): void => {
    const value = memo.get(key)
    if (value === undefined) throw fail(`repeats value ${key}, which it never gave. ${DAMAGED}`)
    stack.push(value)
  }
  const list = (): PickleValue[] => {
    const value = top()
    if (!Array.isArray(value)) throw fail(`adds to what is no list. ${DAMAGED}`)
    return value
  }
  const setItems = (items: readonly PickleValue[]): void => {
    const target = top()
    if (!(target instanceof Map) || items.length % 2 !== 0) {
      throw fail(`sets items of what is no dictionary. ${DAMAGED}`)
    }
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i]!
      if (target.has(key)) throw fail(`has the key ${quote(key)} twice. ${DAMAGED}`)
      target.set(key, items[i + 1]!)
    }
  }

  for (;;) {
    opened = at
    const op = bytes[take(1)]!
    switch (op) {
      case 0x80: {
        const protocol = bytes[take(1)]!
        if (protocol !== 2) {
          throw fail(
            `is a pickle of protocol ${protocol}, expected 2, as torch.save writes. ${RESAVE}`,
          )
        }
        break
      }
      case 0x2e: {
        const value = pop()
        if (stack.length > 0 || at < bytes.length) throw fail(`goes on after its end. ${DAMAGED}`)
        return value
      }
      case 0x28: // (
        stack.push(MARK)
        break
      case 0x4e: // N
        stack.push(null)
        break
      case 0x88:
        stack.push(true)
        break
      case 0x89:
        stack.push(false)
        break
      case 0x4a: // J
        stack.push(view.getInt32(take(4), true))
        break
      case 0x4b: // K
        stack.push(bytes[take(1)]!)
        break
      case 0x4d: // M
        stack.push(view.getUint16(take(2), true))
        break
      case 0x8a: {
        // LONG1: little-endian, two's complement
        const length = bytes[take(1)]!
        if (length > 8)
          throw fail(`holds a number of ${length} bytes, expected at most 8. ${DAMAGED}`)
        const from = take(length)
        let value = 0n
        for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[from + i]!)
        stack.push(Number(BigInt.asIntN(8 * length, value)))
        break
      }
      case 0x47: // G
        stack.push(view.getFloat64(take(8), false))
        break
      case 0x58: // X
        stack.push(utf8(view.getUint32(take(4), true)))
        break
      case 0x5d: // ]
        stack.push([])
        break
      case 0x29: // )
        stack.push([])
        break
      case 0x7d: // }
        stack.push(new Map())
        break
      case 0x85:
      case 0x86:
      case 0x87: {
        const values = Array.from({ length: op - 0x84 }, pop)
        stack.push(values.reverse())
        break
      }
      case 0x74: // t
        stack.push(popToMark())
        break
      case 0x61: {
        // a
        const value = pop()
        list().push(value)
        break
      }
      case 0x65: {
        // e
        const values = popToMark()
        const target = list()
        for (const value of values) target.push(value)
        break
      }
      case 0x73: {
        // s
        const value = pop()
        setItems([pop(), value])
        break
      }
      case 0x75: // u
        setItems(popToMark())
        break
      case 0x71: // q
        put(bytes[take(1)]!)
        break
      case 0x72: // r
        put(view.getUint32(take(4), true))
        break
      case 0x68: // h
        get(bytes[take(1)]!)
        break
      case 0x6a: // j
        get(view.getUint32(take(4), true))
        break
      case 0x63: {
        // c
        const module = line()
        stack.push(host.global(`${module}.${line()}`, fail))
        break
      }
      case 0x51: // Q
        stack.push(host.persistent(pop(), fail))
        break
      case 0x52: {
        // R
        const args = pop()
        if (!Array.isArray(args)) throw fail(`calls without a tuple of arguments. ${DAMAGED}`)
        stack.push(host.call(pop(), args, fail))
        break
      }
      case 0x62: {
        // b: a module's notes on its versions, which say nothing of the tensors
        pop()
        if (!(top() instanceof Map))
          throw fail(
            `sets the state of an object, which a dictionary of tensors does not need. ${RESAVE}`,
          )
        break
      }
      default: {
        const called = REFUSED[op] ?? 'unknown'
        throw fail(
          `uses the operation ${called} (byte ${op}), which a dictionary of tensors does not need; nothing was run. ${RESAVE}`,
        )
      }
    }
  }
}
