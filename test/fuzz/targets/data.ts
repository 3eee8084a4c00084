/**
 * Files of texts: JSON lines, arrays of JSON, plain text, and these packed by gzip.
 *
 * Parquet and Zstandard are not mutated: the libraries that read them believe how many values a page or how many bytes a
 * window is said to have, so one damaged number can take all memory. What once failed otherwise is among the regressions.
 */

import { gzipSync } from 'node:zlib'
import { readDocuments } from '../../../src/activations/readDocuments.ts'
import { openBytes } from '../../../src/formats/index.ts'
import { mutateBytes, text } from '../bytes.ts'
import type { Target } from '../target.ts'

const LINES = Array.from({ length: 9 }, (_, i) => `{"id": ${i}, "text": "line ${i} \\u00e9\\n"}`)
const ARRAY = `[${LINES.join(',\n')}]`
const PLAIN = 'One text.\n<|endoftext|>\nAnother, é.\n'

export const data: Target = {
  name: 'data',
  // Deflate's most, as bytes and as text.
  bytes_per_byte: 2200,
  sources: ['activations/readDocuments.ts'],

  async seeds() {
    const lines = text(LINES.join('\n'))
    return [
      { 'fuzz.jsonl': lines },
      { 'fuzz.json': text(ARRAY) },
      { 'fuzz.txt': text(PLAIN) },
      { 'fuzz.jsonl.gz': new Uint8Array(gzipSync(lines)) },
    ]
  },

  mutate(random, seeds) {
    const seed = random.pick(seeds)
    const [name] = Object.keys(seed) as [string]
    const [other] = Object.values(random.pick(seeds))
    let out = seed[name]!
    for (let n = random.few(4); n > 0; n--) out = mutateBytes(random, out, other!)
    return { [name]: out }
  },

  async read(files) {
    const [name] = Object.keys(files) as [string]
    const open = async () => ({ ...openBytes(name, files[name]!), close: async () => {} })
    for await (const document of readDocuments({ name, open })) void document.length
  },
}
