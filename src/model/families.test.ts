/** Every family against an independent implementation, and every way in which its checkpoints are written. */

import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { expectClose, openGolden } from '../../test/golden.ts'
import { memoryFolder, readFolder } from '../../test/memoryFolder.ts'
import { openFolder, packageRoot } from '../files/index.ts'
import { openBytes, parseSafetensors, type Tensor, writeSafetensors } from '../formats/index.ts'
import type { BlockPart } from './architecture.ts'
import { describeModel } from './architectures/index.ts'
import { padBatch } from './batch.ts'
import { openCheckpoint, readJsonSource } from './checkpoint.ts'
import { type HookName, isReadOnly } from './hooks.ts'
import { openModel } from './openModel.ts'
import { openStreamedStore } from './streamedWeights.ts'
import type { ForwardResult, HookEdit } from './types.ts'
import { openFloatStore } from './weights.ts'

/** The maker and its version stand in each folder's notes. */
const FIXTURES = [
  'gemma3-tiny',
  'llama-tiny',
  'llama-biased-tiny',
  'mistral-tiny',
  'qwen2-tiny',
  'qwen3-tiny',
  'gpt2-tiny',
  'gpt-neox-tiny',
  'gpt-neox-sequential-tiny',
] as const
/** Float64 on the same weights against float32 here. */
const GOLDEN_TOLERANCE = 2e-5
/** Between two runs of ours that differ only in how the work is cut up. */
const SELF_TOLERANCE = 1e-5

const pathOf = (fixture: string): string => join(packageRoot(), 'test/fixtures', fixture)

describe.each(FIXTURES)('%s', async (fixture) => {
  const golden = await openGolden(pathOf(fixture))
  const model = await openModel(pathOf(fixture), { threads: 1 })
  afterAll(() => model.close())
  const batch = padBatch(golden.sequences)
  const whole = await model.forward(batch, { hooks: model.hooks, logits: true, loss: true })

  it('equals the reference at every hook, in logits and in losses', async () => {
    const known = [...golden.names].filter((name) => model.hooks.includes(name as HookName))
    // Google's reference names fewer sites.
    const all = fixture === 'gemma3-tiny' ? 1 + 4 * model.config.n_layers : model.hooks.length
    expect(known).toHaveLength(all)
    for (const hook of known) {
      const found = whole.acts.get(hook as HookName)?.data
      expectClose(found, await golden.values(hook), GOLDEN_TOLERANCE, hook)
    }
    expectClose(whole.logits, await golden.values('logits'), GOLDEN_TOLERANCE, 'logits')
    const losses = await golden.values('next_token_loss')
    expectClose(whole.next_token_loss, losses, GOLDEN_TOLERANCE, 'next_token_loss')
  })

  it('equals the whole pass when the text comes in pieces through a cache', async () => {
    const cache = model.openCache(batch.n_seqs)
    const cuts = [0, 4, 5, 13, batch.seq_len]
    for (const [i, from] of cuts.slice(0, -1).entries()) {
      const to = cuts[i + 1]!
      const piece = padBatch(golden.sequences.map((ids) => ids.slice(from, to)))
      const part = await model.forward(piece, { cache, hooks: model.hooks, logits: 'last' })
      for (const hook of model.hooks) {
        expectClose(part.acts.get(hook)!.data, columns(whole, hook, from, to), SELF_TOLERANCE, hook)
      }
    }
  })

  it('has the same weights when its blocks are read one by one', async () => {
    const folder = openFolder(pathOf(fixture))
    const settings = await readJsonSource((await folder.open('config.json'))!)
    const described = describeModel('config.json', settings)
    const checkpoint = await openCheckpoint(folder, described)
    const { blocks } = described.weights
    const resident = await openFloatStore(checkpoint, described.weights)
    const streamed = await openStreamedStore(checkpoint, described.weights)
    const ids = golden.sequences[1]!
    expect(await streamed.embed(ids)).toEqual(await resident.embed(ids))
    expect(await streamed.unembed(2, 7)).toEqual(await resident.unembed(2, 7))
    for (const [layer, specs] of blocks.entries()) {
      const parts = Object.keys(specs) as BlockPart[]
      const next = layer + 1 < blocks.length ? layer + 1 : undefined
      const found = await streamed.block(layer, parts, next)
      const expected = await resident.block(layer, parts)
      for (const part of parts) {
        expect(found.get(part), `${part} of block ${layer}`).toEqual(expected.get(part))
        expect(found.get(part)).toHaveLength(specs[part]!.shape.reduce((n, size) => n * size, 1))
      }
    }
  })

  it('returns an edit where it is made, and goes on from it', async () => {
    const editable = model.hooks.filter((hook) => !isReadOnly(hook))
    for (const hook of editable) {
      const same: HookEdit = { hook, apply: ({ data }) => data.set(data.slice()) }
      const unchanged = await model.forward(batch, { edits: [same], logits: true })
      expectClose(unchanged.logits, whole.logits!, SELF_TOLERANCE, `logits, ${hook} unchanged`)
      const add: HookEdit = { hook, apply: ({ data }) => data.set(wave(data)) }
      const moved = await model.forward(batch, { edits: [add], hooks: [hook], logits: true })
      const before = whole.acts.get(hook)!.data
      expectClose(moved.acts.get(hook)!.data, wave(before), SELF_TOLERANCE, hook)
      expect(moved.logits!.some((x, j) => Math.abs(x - whole.logits![j]!) > 0.01)).toBe(true)
    }
  })
})

/** Values with a smooth displacement of their size. */
const wave = (data: Float32Array): Float32Array => data.map((x, j) => x + Math.sin(j))

/** Columns `from` to `to` of a site of a whole pass, all rows. */
function columns({ acts }: ForwardResult, hook: HookName, from: number, to: number): Float32Array {
  const { data, n_seqs, seq_len, d } = acts.get(hook)!
  const rows = Array.from({ length: n_seqs }, (_, seq) => [
    ...data.subarray((seq * seq_len + from) * d, (seq * seq_len + to) * d),
  ])
  return Float32Array.from(rows.flat())
}

describe('the unembedding of a LayerNorm model', async () => {
  const model = await openModel(pathOf('gpt2-tiny'), { threads: 1 })
  afterAll(() => model.close())

  it('takes the mean off: the same added to every channel of the last stream changes no logit', async () => {
    const { sequences } = await openGolden(pathOf('gpt2-tiny'))
    const hook: HookName = 'blocks.1.hook_resid_post'
    const shift: HookEdit = { hook, apply: ({ data }) => data.set(data.map((x) => x + 3)) }
    const plain = await model.forward(padBatch(sequences), { logits: true })
    const { logits } = await model.forward(padBatch(sequences), { logits: true, edits: [shift] })
    expectClose(logits, plain.logits!, SELF_TOLERANCE)
    const { d_model } = model.config
    const U = await model.unembedding()
    for (let row = 0; row < U.length; row += d_model) {
      const sum = U.subarray(row, row + d_model).reduce((total, value) => total + value, 0)
      expect(Math.abs(sum)).toBeLessThan(1e-5)
    }
  })
})

describe('a parallel block', async () => {
  const model = await openModel(pathOf('gpt-neox-tiny'), { threads: 1 })
  afterAll(() => model.close())
  const golden = await openGolden(pathOf('gpt-neox-tiny'))
  const batch = padBatch(golden.sequences)

  it('has no resid_mid', async () => {
    expect(model.hooks.filter((hook) => hook.endsWith('hook_resid_mid'))).toEqual([])
    const asked = model.forward(batch, { hooks: ['blocks.0.hook_resid_mid'] })
    await expect(asked).rejects.toThrow('there is no hook "blocks.0.hook_resid_mid"')
  })

  it("does not let the MLP see what is added to attention's output", async () => {
    const hooks = ['blocks.1.hook_mlp_out', 'blocks.1.hook_resid_post'] as const
    const plain = await model.forward(batch, { hooks })
    const edit: HookEdit = {
      hook: 'blocks.1.hook_attn_out',
      apply: ({ data }) => data.set(wave(data)),
    }
    const { acts } = await model.forward(batch, { hooks, edits: [edit] })
    expect(acts.get(hooks[0])!.data).toEqual(plain.acts.get(hooks[0])!.data)
    const expected = wave(plain.acts.get(hooks[1])!.data)
    expectClose(acts.get(hooks[1])!.data, expected, SELF_TOLERANCE)
  })
})

describe('the same model written otherwise', () => {
  /** Logits of a fixture whose config.json and tensors are changed. */
  async function logitsOf(
    fixture: string,
    settings: (config: Record<string, unknown>) => Record<string, unknown> = (config) => config,
    tensors: (name: string, tensor: Tensor) => Iterable<[string, Tensor]> = (...same) => [same],
  ): Promise<Float32Array> {
    const files = readFolder(pathOf(fixture))
    const config = JSON.parse(Buffer.from(files['config.json']!).toString())
    const file = await parseSafetensors(openBytes('', files['model.safetensors'] as Uint8Array))
    const changed = new Map<string, Tensor>()
    for (const name of file.tensors.keys()) {
      for (const [key, tensor] of tensors(name, await file.read(name))) changed.set(key, tensor)
    }
    const folder = memoryFolder(fixture, {
      'config.json': JSON.stringify(settings(config)),
      'model.safetensors': await writeSafetensors(changed),
    })
    const model = await openModel(folder, { threads: 1 })
    const { sequences } = await openGolden(pathOf(fixture))
    const { logits } = await model.forward(padBatch(sequences), { logits: true })
    await model.close()
    return logits!
  }
  const pixels: Tensor = { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }

  it.each(['language_model.model.', 'model.language_model.'])(
    'Gemma 3 behind %s, beside a vision tower, its settings in text_config',
    async (prefix) => {
      const nested = ({
        torch_dtype,
        eos_token_id,
        ...text_config
      }: Record<string, unknown>): Record<string, unknown> => ({
        model_type: 'gemma3',
        torch_dtype,
        eos_token_id,
        image_token_index: 7,
        vision_config: { hidden_size: 3 },
        text_config,
      })
      const tower = prefix.startsWith('model.') ? 'model.vision_tower.' : 'vision_tower.'
      const logits = await logitsOf('gemma3-tiny', nested, (name, tensor) => [
        [name.replace(/^model\./, prefix), tensor],
        [`${tower}${name}`, pixels],
        [prefix.startsWith('model.') ? 'lm_head.weight' : 'language_model.lm_head.weight', pixels],
      ])
      expect(logits).toEqual(await logitsOf('gemma3-tiny'))
    },
  )

  it('Gemma 3 with sliding_window_pattern for layer_types, and nested rope_parameters', async () => {
    const pattern = ({ layer_types: _, ...config }: Record<string, unknown>) => ({
      ...config,
      sliding_window_pattern: 6,
    })
    const plain = await logitsOf('gemma3-tiny')
    expect(await logitsOf('gemma3-tiny', pattern)).toEqual(plain)
    const nested = ({
      rope_theta,
      rope_local_base_freq,
      ...config
    }: Record<string, unknown>): Record<string, unknown> => ({
      ...config,
      rope_parameters: {
        full_attention: { rope_type: 'default', rope_theta },
        sliding_attention: { rope_type: 'default', rope_theta: rope_local_base_freq },
      },
    })
    expect(await logitsOf('gemma3-tiny', nested)).toEqual(plain)
    const scaled = (config: Record<string, unknown>) => ({
      ...config,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    })
    expect(await logitsOf('gemma3-tiny', scaled)).not.toEqual(plain)
  })

  it('GPT-2 with `transformer.` in front and its unembedding beside it', async () => {
    const logits = await logitsOf('gpt2-tiny', undefined, (name, tensor) => [
      [`transformer.${name}`, tensor],
      ...(name === 'wte.weight' ? ([['lm_head.weight', tensor]] as [string, Tensor][]) : []),
    ])
    expect(logits).toEqual(await logitsOf('gpt2-tiny'))
  })

  it('refuses a tensor that is there under two names', async () => {
    const twice = logitsOf('gpt2-tiny', undefined, (name, tensor) => [
      [name, tensor],
      ...(name === 'wpe.weight'
        ? ([['transformer.wpe.weight', tensor]] as [string, Tensor][])
        : []),
    ])
    await expect(twice).rejects.toThrow(
      /holds \S*wpe\.weight, which \S+ holds too, as \S*wpe\.weight/,
    )
  })
})
