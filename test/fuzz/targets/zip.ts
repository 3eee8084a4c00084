/** ZIP archives of anything: both ways of reading one, headers that disagree, entries that overlap, bombs. */

import { openBytes } from '../../../src/formats/index.ts'
import { openZip } from '../../../src/formats/zip.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { HOSTILE_NAMES } from '../json.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'
import { mutatePart, renderZip, zipPart } from '../zipFile.ts'

const FILE = 'fuzz.zip'
const CONTENTS = ['', 'a', 'abc'.repeat(40), '\u0000'.repeat(300)].map(text)

export const zip: Target = {
  name: 'zip',
  // Deflate's most, once by the library and once by the reader.
  bytes_per_byte: 2200,
  sources: ['formats/zip.ts'],

  async seeds() {
    return [
      renderZip([]),
      renderZip([zipPart('a', CONTENTS[2]!, true), zipPart('folder/b.bin', CONTENTS[1]!)]),
      renderZip(CONTENTS.map((content, i) => zipPart(`${i}`, content, i % 2 === 0))),
    ].map((bytes) => ({ [FILE]: bytes }))
  },

  mutate(random, seeds) {
    let out = random.once(3) ? random.pick(seeds)[FILE]! : archive(random)
    for (let n = random.once(2) ? 0 : random.few(4); n > 0; n--) {
      out = mutateBytes(random, out, random.pick(seeds)[FILE]!)
    }
    return { [FILE]: out }
  },

  async read(files) {
    for (const entry of await openZip(openBytes(FILE, files[FILE]!))) {
      await entry.start()
      await entry.read()
    }
  },
}

function archive(random: Random): Bytes {
  const parts = Array.from({ length: random.below(5) }, (_, i) =>
    zipPart(
      `${random.once(8) ? random.pick(HOSTILE_NAMES) : 'f'}${i}`,
      random.pick(CONTENTS),
      random.once(2),
    ),
  )
  if (parts.length > 0) {
    for (let n = random.below(3); n > 0; n--) mutatePart(random, random.pick(parts))
  }
  return renderZip(parts, random.once(4) ? undefined : random)
}
