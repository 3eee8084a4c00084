/** tokenizer.json and tokenizer_config.json: mutated vocabularies, merges, added tokens, and steps of every kind in every place. */

import { gemma2 } from '../../../src/model/architectures/gemma2.ts'
import { openTokenizer } from '../../../src/model/tokenizer.ts'
import { memoryFolder } from '../../memoryFolder.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { mutateTree, type Node, renderTree, treeOf } from '../json.ts'
import type { Random } from '../random.ts'
import type { Files, Target } from '../target.ts'
import {
  byteLevelFile,
  configFile,
  STEPS,
  sentencePieceFile,
  settingsFile,
} from '../tokenizerFiles.ts'

const FILE = 'tokenizer.json'
const SETTINGS = 'tokenizer_config.json'
const CONFIG = gemma2.parseConfig('config.json', configFile())
const PLACES = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'] as const
const TEXTS = [
  '',
  ' the <bos>cat<turn>\n\n  in 1234 hats ',
  `${'a'.repeat(60)}!`,
  '\u0000\ud800é🙂\u2581<0x41>__proto__',
]
const TREES = [sentencePieceFile(), byteLevelFile()].map(treeOf)
const SETTINGS_TREE = treeOf(settingsFile())

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
    return TREES.map((tree) => ({
      [FILE]: text(renderTree(tree)),
      [SETTINGS]: text(renderTree(SETTINGS_TREE)),
    }))
  },

  mutate(random, seeds) {
    const seed = random.pick(seeds)
    if (random.once(6)) return mutateOne(random, seed, random.pick(seeds))
    const tree = structuredClone(random.pick(TREES))
    for (let n = random.few(3); n > 0; n--) {
      if (random.once(2)) putStep(random, tree)
      else mutateTree(random, tree, random.once(3) ? [] : ['vocab', 'merges'])
    }
    const settings = structuredClone(SETTINGS_TREE)
    if (random.once(4)) mutateTree(random, settings)
    return { [FILE]: text(renderTree(tree)), [SETTINGS]: text(renderTree(settings)) }
  },

  async read(files) {
    const opened = await openTokenizer(memoryFolder('fuzz', { ...files }), CONFIG)
    for (const written of TEXTS) opened?.detokenize(opened.tokenize(written, { bos: false }))
  },
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
