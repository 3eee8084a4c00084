/** A random checkpoint of a real model's shape, streamed to disk: nothing is downloaded, and nothing larger than a piece is in memory. */
import { mkdir, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { streamSafetensors, type TensorStream } from '../../src/formats/safetensors.ts'
import { openRandom } from '../../src/model/random.ts'
import { configJson, parameterCount, type Shape, tensorShapes } from './shape.ts'

/** Of every weight; a product of normalised rows then has about unit variance, as in a trained model. */
const STD = 0.02
/**
 * Mean of the norms after attention and MLP, whose gain is 1 + w; 0 elsewhere. What 26 blocks add then outweighs the
 * token's own embedding; otherwise the tied unembedding lets a token predict itself, and a greedy text is one token for ever.
 */
const POST_NORM_MEAN = 3
/** Numbers in the table that weights are drawn from: one for every value of 16 random bits. */
const TABLE_SIZE = 2 ** 16
const PIECE_BYTES = 2 ** 24
const POST_NORM = /post_(attention|feedforward)_layernorm/

/**
 * Makes the checkpoint (config.json, model.safetensors in bfloat16, all weights normal, seeded) unless a whole one of the
 * same shape is there. No tokenizer: the bench runs on random ids.
 * @returns bytes of the weights.
 * @throws RangeError if the disk has no room for them.
 */
export async function ensureCheckpoint(folder: string, shape: Shape): Promise<number> {
  const config = join(folder, 'config.json')
  const weights = join(folder, 'model.safetensors')
  const weight_bytes = 2 * parameterCount(shape)
  const text = `${JSON.stringify(configJson(shape), null, 2)}\n`
  const isSame = (await readFile(config, 'utf8').catch(() => '')) === text
  const size = isSame ? ((await stat(weights).catch(() => undefined))?.size ?? 0) : 0
  // config.json is written last, so a checkpoint that has one is whole.
  if (size >= weight_bytes) return weight_bytes
  console.error(`making ${(weight_bytes / 1e9).toFixed(1)} GB of random weights in ${folder}`)
  await mkdir(folder, { recursive: true })
  await rm(config, { force: true })
  const { bavail, bsize } = await statfs(folder)
  if (bavail * bsize < weight_bytes)
    throw new RangeError(
      `model: the weights take ${weight_bytes} bytes, ${folder} has room for ${bavail * bsize}. Make room, or name another by --folder.`,
    )
  const partial = `${weights}.partial`
  const file = await open(partial, 'w')
  try {
    const table = normalTable(0)
    const postNorms = normalTable(POST_NORM_MEAN)
    const tensors = [...tensorShapes(shape)].map(([name, sizes], i) =>
      randomTensor(name, sizes, POST_NORM.test(name) ? postNorms : table, i + 1),
    )
    for await (const piece of streamSafetensors(tensors, { format: 'pt' })) await file.write(piece)
  } finally {
    await file.close()
  }
  await rename(partial, weights)
  await writeFile(config, text)
  return weight_bytes
}

/** bfloat16 bits of normal numbers of standard deviation `STD` (Box-Muller). */
function normalTable(mean: number): Uint16Array {
  const random = openRandom(0)
  const bits = new Uint32Array(
    Float32Array.from(
      { length: TABLE_SIZE },
      () => mean + STD * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
    ).buffer,
  )
  return Uint16Array.from(bits, (word) => (word + 0x7fff + ((word >>> 16) & 1)) >>> 16)
}

/** One tensor, drawn from the table by a xorshift generator of its own: two numbers from each 32 bits. */
function randomTensor(
  name: string,
  shape: readonly number[],
  table: Uint16Array,
  seed: number,
): TensorStream {
  return {
    name,
    dtype: 'BF16',
    shape,
    *chunks() {
      let state = Math.imul(seed, 0x9e3779b1) | 1
      let left = shape.reduce((a, b) => a * b)
      while (left > 0) {
        const n = Math.min(left, PIECE_BYTES / 2)
        const piece = new Uint16Array(n + (n & 1))
        for (let i = 0; i < n; i += 2) {
          state ^= state << 13
          state ^= state >>> 17
          state ^= state << 5
          piece[i] = table[state & 0xffff]!
          piece[i + 1] = table[state >>> 16]!
        }
        yield new Uint8Array(piece.buffer, 0, 2 * n)
        left -= n
      }
    },
  }
}
