/** tokenizer.json and tokenizer_config.json: mutated vocabularies, merges, added tokens, and steps of every kind in every place. */

import { basename, dirname, join } from 'node:path'
import { gemma2 } from '../../../src/model/architectures/gemma2.ts'
import { openTokenizer } from '../../../src/model/tokenizer.ts'
import { memoryFolder } from '../../memoryFolder.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { fixturesBelow, jsonFixture } from '../fixtures.ts'
import { mutateTree, type Node, renderTree, treeOf } from '../json.ts'
import type { Random } from '../random.ts'
import type { Files, Target } from '../target.ts'
import { STEPS } from '../tokenizerSteps.ts'

const FILE = 'tokenizer.json'
const SETTINGS = 'tokenizer_config.json'
const FIXTURES = 'test/fixtures/tokenizers'
const PLACES = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const
const TEXTS = [
  '',
  ' the <bos>cat<turn>\n\n  in 1234 hats ',
  `${'a'.repeat(60)}!`,
  '\u0000\ud800é🙂\u2581<0x41>__proto__',
]
/** The bundled model's, as wide as the fixtures' vocabularies. */
const CONFIG = gemma2.parseConfig('config.json', {
  ...(jsonFixture('models/thimble-5m/config.json') as object),
  vocab_size: 600,
})
const TREES = fixturesBelow(FIXTURES)
  .filter((path) => basename(path) === FILE)
  .map((path) => ({
    [FILE]: treeOf(jsonFixture(path)),
    [SETTINGS]: treeOf(jsonFixture(join(dirname(path), SETTINGS))),
  }))

export const tokenizer: Target = {
  name: 'tokenizer',
  // Tables of a vocabulary are as wide as the model, whatever the file holds.
  bytes_per_byte: 64,
  sources: [
    'model/tokenizer.ts',
    'model/tokenizerFile.ts',
    'model/addedTokens.ts',
    'model/words.ts',
    'model/pieces.ts',
  ],

  async seeds() {
    return TREES.map((trees) => rendered(trees[FILE]!, trees[SETTINGS]!))
  },

  mutate(random, seeds) {
    if (random.once(6)) return mutateOne(random, random.pick(seeds), random.pick(seeds))
    const trees = random.pick(TREES)
    const tree = structuredClone(trees[FILE]!)
    for (let n = random.few(3); n > 0; n--) {
      if (random.once(2)) putStep(random, tree)
      else mutateTree(random, tree, random.once(3) ? [] : ['vocab', 'merges'])
    }
    const settings = structuredClone(trees[SETTINGS]!)
    if (random.once(4)) mutateTree(random, settings)
    return rendered(tree, settings)
  },

  async read(files) {
    const opened = await openTokenizer(memoryFolder('fuzz', { ...files }), CONFIG)
    for (const written of TEXTS) opened?.detokenize(opened.tokenize(written, { bos: false }))
  },
}

function rendered(tree: Node, settings: Node): Files {
  return { [FILE]: text(renderTree(tree)), [SETTINGS]: text(renderTree(settings)) }
}

function mutateOne(random: Random, seed: Files, other: Files): Files {
  const name = random.pick([FILE, SETTINGS])
  let out: Bytes = seed[name]!
  for (let n = random.few(4); n > 0; n--) out = mutateBytes(random, out, other[name]!)
  return { ...seed, [name]: out }
}

/** A step, or several in a sequence, where one belongs; now and then where none does. */
function putStep(random: Random, tree: Node): void {
  if (!('pairs' in tree)) return
  const place = tree.pairs.find(([key]) => key === random.pick(PLACES))
  if (place === undefined) return
  const steps = Array.from({ length: random.few(3) }, () => random.pick(STEPS))
  const many = {
    type: 'Sequence',
    normalizers: steps,
    pretokenizers: steps,
    processors: steps,
    decoders: steps,
  }
  place[1] = treeOf(steps.length === 1 ? steps[0] : many)
}
