import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/golden.ts'
import { openFolder, packageRoot } from '../files/index.ts'
import { describeModel } from './architectures/index.ts'
import { openBlockPieces } from './blockPieces.ts'
import { openCheckpoint, readJsonSource } from './checkpoint.ts'
import { openRandom } from './random.ts'
import { openStreamedStore } from './streamedWeights.ts'

/** Of a few rows each in the fixtures' matrices, with a shorter last one. */
const SLICE_NUMBERS = 300
/** More than are taken at a time. */
const N_ROWS = 300
/** Only the kernels that ONNX Runtime takes for other shapes differ. */
const TOLERANCE = 1e-6

// A gated MLP, biases beside rows, and matrices that the checkpoint holds turned.
describe.each(['gemma2-tiny', 'qwen2-tiny', 'gpt2-tiny', 'gpt-neox-tiny'])(
  '%s',
  async (fixture) => {
    const folder = openFolder(join(packageRoot(), 'test/fixtures', fixture))
    const source = (await folder.open('config.json'))!
    const described = describeModel(source.name, await readJsonSource(source))
    const { config, weights } = described
    const store = await openStreamedStore(await openCheckpoint(folder, described), weights)
    const whole = await openBlockPieces(config, weights, store, 1)
    const sliced = await openBlockPieces(config, weights, store, 1, SLICE_NUMBERS)
    afterAll(() => Promise.all([whole.close(), sliced.close(), store.close()]))

    const random = openRandom(3)
    const rows = (width: number): Float32Array =>
      Float32Array.from({ length: N_ROWS * width }, () => random() - 0.5)
    const resid_pre = rows(config.d_model)
    const z = rows(config.n_heads * config.d_head)
    const last = config.n_layers - 1

    it('projects by slices of its matrices what it projects by whole ones', async () => {
      const expected = await whole.project(last, resid_pre)
      const found = await sliced.project(last, resid_pre)
      for (const name of ['q', 'k', 'v'] as const)
        expectClose(found[name], expected[name], TOLERANCE, name)
    })

    it('ends a block by slices as by whole matrices', async () => {
      const outputs = ['attn_out', 'mlp_out', 'resid_post'] as const
      const expected = await whole.mlp(last, resid_pre, z, outputs)
      const found = await sliced.mlp(last, resid_pre, z, outputs)
      for (const name of outputs) {
        expect(expected[name]).toHaveLength(N_ROWS * config.d_model)
        expectClose(found[name], expected[name], TOLERANCE, name)
      }
    })
  },
)
