/** config.json of every family: fields missing, of another kind, out of all bounds, twice there. */

import { openBytes } from '../../../src/formats/index.ts'
import { describeModel } from '../../../src/model/architectures/index.ts'
import { readJsonSource } from '../../../src/model/checkpoint.ts'
import { mutateBytes, text } from '../bytes.ts'
import { fixture, fixturesBelow, jsonFixture } from '../fixtures.ts'
import { mutateTree, renderTree, treeOf } from '../json.ts'
import type { Target } from '../target.ts'

const FILE = 'config.json'
const PATHS = fixturesBelow('test/fixtures').filter((path) => /-tiny\/config\.json$/.test(path))
const TREES = PATHS.map(jsonFixture).map(treeOf)

export const config: Target = {
  name: 'config',
  bytes_per_byte: 64,
  sources: [
    'model/architectures/index.ts',
    'model/architectures/readConfig.ts',
    'model/architectures/decoder.ts',
  ],

  async seeds() {
    return PATHS.map((path) => ({ [FILE]: fixture(path) }))
  },

  mutate(random, seeds) {
    if (random.once(6)) {
      return { [FILE]: mutateBytes(random, random.pick(seeds)[FILE]!, random.pick(seeds)[FILE]!) }
    }
    const tree = structuredClone(random.pick(TREES))
    for (let n = random.few(3); n > 0; n--) mutateTree(random, tree)
    return { [FILE]: text(renderTree(tree)) }
  },

  async read(files) {
    describeModel(FILE, await readJsonSource(openBytes(FILE, files[FILE]!)))
  },
}
