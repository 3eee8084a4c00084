/** Readers that are broken, each in one way at its seventh input: the harness must notice every one. */

import { FormatError, openBytes, parseSafetensors } from '../../src/formats/index.ts'
import { integer } from './bytes.ts'
import type { Files, Target } from './target.ts'

const FILE = 'broken.bin'
const BROKEN_AT = 7

/** A target that counts its inputs and reads all but one of them well. */
function broken(name: string, breaks: () => unknown): Target {
  let n = 0
  return {
    name,
    also: ['TypeError'],
    bytes_per_byte: 1,
    sources: ['formats/memory.ts'],
    seeds: async () => [{ [FILE]: integer(8, 0) }],
    mutate: (random): Files => ({ [FILE]: random.bytes(8) }),
    async read() {
      if (n++ === BROKEN_AT) await breaks()
    },
  }
}

export const TARGETS: readonly Target[] = [
  broken('other-error', () => new Uint8Array(-1)),
  broken('nameless', () => {
    throw new FormatError('elsewhere.bin', 'is damaged.')
  }),
  broken('nothing', () => {
    throw new FormatError(FILE, `has dtype ${undefined}, expected F32.`)
  }),
  broken('terminal', () => {
    throw new TypeError(`${FILE}: names the tensor \u001b[2J.`)
  }),
  broken('long', () => {
    throw new TypeError(`${FILE}: ${'x'.repeat(5000)}`)
  }),
  broken('pollutes', () => Object.assign(Object.prototype, { polluted: 1 })),
  broken('forgets', () => void Promise.reject(new Error('nobody waits for this'))),
  broken('allocates', () => new Float32Array(4 << 20)),
  broken('hoards', () => {
    for (const hoard: number[][] = []; ; ) hoard.push(Array(100_000).fill(hoard.length))
  }),
  broken('hangs', () => {
    for (;;);
  }),
  broken('fine', () => parseSafetensors(openBytes(FILE, new Uint8Array(3)))),
]
