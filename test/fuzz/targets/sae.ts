/** SAEs in every published layout: settings and headers of weights mutated, alone and together. */

import { basename, dirname } from 'node:path'
import { openBytes } from '../../../src/formats/index.ts'
import { openTensors } from '../../../src/formats/openTensors.ts'
import { readJsonSource } from '../../../src/model/checkpoint.ts'
import { READERS, recogniseDialect, WEIGHT_FILES } from '../../../src/sae/dialects/recognise.ts'
import type { ReadSaeOptions } from '../../../src/sae/index.ts'
import { type Bytes, mutateBytes, text } from '../bytes.ts'
import { fixture, fixturesBelow } from '../fixtures.ts'
import { mutateTree, renderTree, treeOf } from '../json.ts'
import type { Random } from '../random.ts'
import type { Target } from '../target.ts'
import { mutateHeader } from './safetensors.ts'

const WEIGHTS: readonly string[] = WEIGHT_FILES.map((path) => basename(path))
const SCALER = 'activation_scaler.json'
/** Not the transcoders of params.npz, which only their path tells from SAEs. */
const PATHS = fixturesBelow('test/fixtures/saes').filter(
  (path) => !/\/variants\/|transcoders\/.*\.npz/.test(path),
)
/** A folder that tells the site to dialects whose files do not: params.npz and sparsify's. */
const FOLDER = 'x-res/layer_2/layers.2.mlp'
/** As wide as the fixtures that read behind a norm's gain: sparsify's, told above, and Gemma Scope 2's. */
const OPTIONS: ReadSaeOptions = {
  mlpNorm: async (layer) => ({
    gain: new Float32Array(layer === 2 ? 6 : 5).fill(1),
    has_post_norm: false,
  }),
}

export const sae: Target = {
  name: 'sae',
  also: ['RangeError', 'TypeError'],
  bytes_per_byte: 6000,
  sources: [
    'sae/dialects/recognise.ts',
    'sae/dialects/tensors.ts',
    'sae/dialects/saelens.ts',
    'sae/dialects/dictionaryLearning.ts',
  ],

  async seeds() {
    return PATHS.filter((path) => WEIGHTS.includes(basename(path))).map((weights) => {
      // Llama Scope keeps its settings beside the folder of its weights.
      const folder = dirname(weights).replace(/\/checkpoints$/, '')
      const beside = PATHS.filter(
        (path) =>
          dirname(path) === folder && path.endsWith('.json') && basename(path) !== 'golden.json',
      )
      return Object.fromEntries([weights, ...beside].map((path) => [basename(path), fixture(path)]))
    })
  },

  mutate(random, seeds) {
    const seed = random.pick(seeds)
    const other = random.pick(seeds)
    const names = Object.keys(seed)
    const changed = random.once(4) ? names : [random.pick(names)]
    return {
      ...seed,
      ...Object.fromEntries(
        changed.map((name) => [
          name,
          mutateFile(random, name, seed[name]!, other[name] ?? seed[name]!),
        ]),
      ),
    }
  },

  async read(files) {
    const names = Object.keys(files)
    const name = names.find((file) => WEIGHTS.includes(file))!
    const opened = await openTensors(openBytes(name, files[name]!))
    const { config, read } = READERS[recogniseDialect(opened)]
    const json = async (file: string | undefined): Promise<unknown> =>
      file !== undefined && file in files
        ? readJsonSource(openBytes(file, files[file]!))
        : undefined
    const value = await json(config)
    const { scaling_factor } = Object(await json(SCALER)) as { scaling_factor?: unknown }
    const described = {
      where: `${FOLDER}/${name}`,
      weights: opened.file,
      ...(value === undefined ? {} : { config: { path: config!, value } }),
      ...(typeof scaling_factor === 'number' ? { scaling_factor } : {}),
    }
    await read(described, OPTIONS)
  },
}

function mutateFile(random: Random, name: string, bytes: Bytes, other: Bytes): Bytes {
  if (random.once(8)) return mutateBytes(random, bytes, other)
  if (name.endsWith('.safetensors')) return mutateHeader(random, bytes)
  if (!name.endsWith('.json')) return mutateBytes(random, bytes, other)
  const tree = treeOf(JSON.parse(new TextDecoder().decode(bytes)))
  for (let n = random.few(3); n > 0; n--) mutateTree(random, tree)
  return text(renderTree(tree))
}
