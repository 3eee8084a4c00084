/** Mutations of any bytes, whatever they mean. */

import type { Random } from './random.ts'

export type Bytes = Uint8Array<ArrayBuffer>

/** No mutation makes an input larger. */
const MAX_BYTES = 1 << 20

export function join(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A little-endian integer of 1, 2, 4 or 8 bytes; higher bits fall away. */
export function integer(width: number, value: bigint | number): Bytes {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)), true)
  return bytes.slice(0, width)
}

export const text = (value: string): Bytes => new TextEncoder().encode(value)

/**
 * One mutation: a bit, a byte, an integer, or a piece cut, doubled, moved, repeated very often, or taken from another input.
 * @param other another seed, for splices.
 */
export function mutateBytes(random: Random, bytes: Bytes, other: Bytes): Bytes {
  const n = bytes.length
  const out = bytes.slice()
  const at = random.below(n)
  const length = random.length(Math.min(n - at, 4096))
  switch (random.below(n === 0 ? 1 : 13)) {
    case 0:
      return join(out.subarray(0, at), random.bytes(random.below(16)), out.subarray(at))
    case 1:
      out[at]! ^= 1 << random.below(8)
      return out
    case 2:
      out[at] = random.below(256)
      return out
    case 3:
      out[at] = random.pick([0, 0xff, 0x7f, 0x80, ...text('"{}[]:,()0919-.eE\\\'')])
      return out
    case 4:
      return out.slice(0, random.once(3) ? n - 1 - random.below(Math.min(n, 64)) : at)
    case 5:
      return join(out.subarray(0, at), out.subarray(at + length))
    case 6:
      return grown(
        out.subarray(0, at + length),
        out.subarray(at, at + length),
        out.subarray(at + length),
      )
    case 7:
      out.copyWithin(random.below(n), at, at + length)
      return out
    case 8:
      return join(out.subarray(0, at), new Uint8Array(length), out.subarray(at + length))
    case 9: {
      const field = integer(random.pick([1, 2, 4, 8]), random.integer())
      out.set(field.subarray(0, n - at), at)
      return out
    }
    case 10:
      out[at]! += random.below(71) - 35
      return out
    case 11: {
      // One byte over and over: what takes a step for every pair of them takes very long.
      const run = new Uint8Array(random.once(20) ? 50_000 : random.length(300))
      run.fill(random.once(2) ? out[at]! : random.pick([...text(' \t\n0a([{"\\')]))
      return grown(out.subarray(0, at), run, out.subarray(at))
    }
    default: {
      const from = random.once(2) ? Math.min(at, other.length) : random.below(other.length)
      return grown(out.subarray(0, at), other.subarray(from))
    }
  }
}

function grown(...parts: Uint8Array[]): Bytes {
  return join(...parts).slice(0, MAX_BYTES)
}
