/** .npz archives: mutated arrays in honest archives, whose checksums fit, and honest arrays in mutated archives. */

import {
  fromFloat32,
  openBytes,
  openNpz,
  readNpz,
  toFloat32,
  writeNpz,
} from '../../../src/formats/index.ts'
import { type Bytes, join, mutateBytes } from '../bytes.ts'
import { fixture } from '../fixtures.ts'
import { HOSTILE_NAMES } from '../json.ts'
import type { Random } from '../random.ts'
import type { Files, Target } from '../target.ts'
import { mutatePart, renderZip, type ZipPart, zipPart } from '../zipFile.ts'
import { mutateNpy, npy } from './npy.ts'

const FILE = 'fuzz.npz'
const ARRAYS = (await npy.seeds()).map((files) => Object.values(files)[0]!)

export const npz: Target = {
  name: 'npz',
  bytes_per_byte: 6000,
  sources: ['formats/npz.ts', 'formats/zip.ts', 'formats/npy.ts'],

  async seeds() {
    const pieces: Uint8Array[] = []
    const half = fromFloat32(new Float32Array(6), [2, 3], 'F16')
    for await (const piece of writeNpz([['own', half]])) pieces.push(piece)
    return [
      join(...pieces),
      ...['stored', 'deflated'].map((name) => fixture(`test/fixtures/gemma-scope-npz/${name}.npz`)),
      renderZip(ARRAYS.slice(0, 3).map((array, i) => zipPart(`a${i}.npy`, array, i === 1))),
    ].map((bytes) => ({ [FILE]: bytes }))
  },

  mutate(random, seeds) {
    return { [FILE]: random.once(3) ? mutated(random, seeds) : archive(random) }
  },

  async read(files) {
    // One by one, then all: neither may fail in another way because the other did not.
    const opened = await openNpz(openBytes(FILE, files[FILE]!))
    for (const name of opened.tensors.keys()) toFloat32(await opened.read(name))
    for (const tensor of (await readNpz(openBytes(FILE, files[FILE]!))).values()) toFloat32(tensor)
  },
}

function mutated(random: Random, seeds: readonly Files[]): Bytes {
  let out = random.pick(seeds)[FILE]!
  for (let n = random.few(4); n > 0; n--) {
    out = mutateBytes(random, out, random.pick(seeds)[FILE]!)
  }
  return out
}

function archive(random: Random): Bytes {
  const parts = Array.from({ length: random.below(4) + 1 }, (_, i): ZipPart => {
    const name = `${random.once(12) ? random.pick(HOSTILE_NAMES) : 'a'}${random.once(20) ? '' : i}.npy`
    const array = random.pick(ARRAYS)
    const data = random.once(2) ? mutateNpy(random, array, random.pick(ARRAYS)) : array
    return zipPart(name, data, random.once(2))
  })
  if (random.once(2)) return renderZip(parts)
  for (let n = random.few(3); n > 0; n--) mutatePart(random, random.pick(parts))
  return renderZip(parts, random)
}
