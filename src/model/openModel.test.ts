import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryFolder, readFolder } from '../../test/memoryFolder.ts'
import { packageRoot } from '../files/index.ts'
import { openBytes, parseSafetensors, type Tensor, writeSafetensors } from '../formats/index.ts'
import { gemma2 } from './architectures/gemma2.ts'
import { describeModel } from './architectures/index.ts'
import { tensorShapes } from './checkpoint.ts'
import { openModel } from './openModel.ts'

const TINY = join(packageRoot(), 'test/fixtures/gemma2-tiny')
const files = readFolder(TINY)
const settings = JSON.parse(Buffer.from(files['config.json']!).toString()) as Record<
  string,
  unknown
>

const openWith = (changes: Record<string, Uint8Array | string | undefined>) => {
  const left = Object.entries({ ...files, ...changes }).filter(
    ([, content]) => content !== undefined,
  )
  return openModel(memoryFolder('tiny', Object.fromEntries(left) as typeof files))
}

const withSettings = (changes: Record<string, unknown>): string =>
  JSON.stringify({ ...settings, ...changes })

/** The checkpoint with its tensors changed. */
async function rewrite(change: (tensors: Map<string, Tensor>) => void): Promise<Uint8Array> {
  const file = await parseSafetensors(openBytes('tiny', files['model.safetensors'] as Uint8Array))
  const tensors = new Map<string, Tensor>()
  for (const name of file.tensors.keys()) tensors.set(name, await file.read(name))
  change(tensors)
  return writeSafetensors(tensors)
}

describe('openModel', () => {
  it('opens a folder in memory, a path and a bundled name', async () => {
    const model = await openWith({})
    expect(model.name).toBe('tiny')
    expect(model.tokenizer).toBeUndefined()
    expect(model.width('blocks.1.attn.hook_z')).toBe(64)
    expect(model.width('blocks.1.hook_mlp_out')).toBe(48)
    await model.close()
    const bundled = await openModel('thimble-5m', { threads: 1 })
    expect(bundled.tokenizer?.pieces).toHaveLength(4096)
    await bundled.close()
    await expect(openModel('./no such folder')).rejects.toThrow('no such folder')
  })

  it('names files that are missing or damaged', async () => {
    await expect(openWith({ 'config.json': undefined })).rejects.toThrow('tiny: has no config.json')
    await expect(openWith({ 'config.json': '{' })).rejects.toThrow('config.json: is not JSON')
    await expect(openWith({ 'model.safetensors': undefined })).rejects.toThrow(
      'has neither model.safetensors nor model.safetensors.index.json',
    )
    const whole = files['model.safetensors'] as Uint8Array
    const cut = openWith({ 'model.safetensors': whole.subarray(0, 100_000) })
    await expect(cut).rejects.toThrow('tiny/model.safetensors')
  })

  it('names a tensor that is missing, of another shape, not a float or not accounted for', async () => {
    const key = 'model.layers.2.mlp.up_proj.weight'
    const broken = async (change: (tensors: Map<string, Tensor>) => void) =>
      openWith({ 'model.safetensors': await rewrite(change) })
    await expect(broken((tensors) => tensors.delete(key))).rejects.toThrow(
      `lack the tensor ${key} [96, 48]`,
    )
    const turned = broken((tensors) => tensors.set(key, { ...tensors.get(key)!, shape: [48, 96] }))
    await expect(turned).rejects.toThrow(`${key} has shape [48, 96], expected [96, 48]`)
    const integers = broken((tensors) => tensors.set(key, { ...tensors.get(key)!, dtype: 'I16' }))
    await expect(integers).rejects.toThrow(`${key} is I16, expected BF16, F16 or F32`)
    const stranger = broken((tensors) => tensors.set('lm_tail.weight', tensors.get(key)!))
    await expect(stranger).rejects.toThrow(
      'holds lm_tail.weight, which config.json does not account',
    )
  })

  it('reads float32 weights and a checkpoint in two files to the same logits', async () => {
    const ids = { ids: Int32Array.of(2, 7, 9), lengths: Int32Array.of(3), n_seqs: 1, seq_len: 3 }
    const logitsOf = async (changes: Parameters<typeof openWith>[0]) => {
      const model = await openWith(changes)
      const { logits } = await model.forward(ids, { logits: true })
      await model.close()
      return logits
    }
    const expected = await logitsOf({})
    const widened = await rewrite((tensors) => {
      for (const [name, { shape, bytes }] of tensors) {
        const wide = new Uint8Array(bytes.length * 2)
        for (let i = 0; i < bytes.length; i += 2) wide.set(bytes.subarray(i, i + 2), 2 * i + 2)
        tensors.set(name, { dtype: 'F32', shape, bytes: wide })
      }
    })
    expect(await logitsOf({ 'model.safetensors': widened })).toEqual(expected)
    const first = (name: string) => name.includes('layers.1.')
    const parts = await Promise.all(
      [first, (name: string) => !first(name)].map((drop) =>
        rewrite((tensors) => {
          for (const name of tensors.keys()) if (drop(name)) tensors.delete(name)
        }),
      ),
    )
    const shards = { 'a.safetensors': parts[0], 'b.safetensors': parts[1] }
    const weight_map = Object.fromEntries(
      [...tensorShapes(describeModel('', settings).weights).keys()].map((name) => [
        name,
        first(name) ? 'b.safetensors' : 'a.safetensors',
      ]),
    )
    const index = JSON.stringify({ metadata: {}, weight_map })
    const sharded = {
      ...shards,
      'model.safetensors': undefined,
      'model.safetensors.index.json': index,
    }
    expect(await logitsOf(sharded)).toEqual(expected)
    await expect(openWith({ ...sharded, 'b.safetensors': undefined })).rejects.toThrow(
      'names the file b.safetensors, which is not there',
    )
  })
})

describe('config.json', () => {
  it.each([
    [{ model_type: 'mamba' }, 'model_type is "mamba", supported: gemma2, gemma3'],
    [{ model_type: undefined }, 'model_type is missing, supported: gemma2'],
    [{ hidden_size: undefined }, 'hidden_size is missing'],
    [{ num_hidden_layers: 0 }, 'num_hidden_layers is 0'],
    [{ hidden_activation: 'relu' }, 'hidden_activation is "relu", supported:'],
    [{ tie_word_embeddings: false }, 'tie_word_embeddings is false'],
    [{ attention_bias: true }, 'attention_bias is true'],
    [
      { rope_scaling: { factor: 2 } },
      "rope_scaling.rope_type is missing, supported: 'default' | 'linear'",
    ],
    [{ final_logit_softcapping: null }, 'final_logit_softcapping is null'],
    [{ n_experts: 8 }, 'n_experts is 8, a setting of gemma2 that Hooke does not know'],
    [
      { layer_types: ['full_attention'] },
      'layer_types has 1 entries, expected num_hidden_layers 4',
    ],
    [
      { num_key_value_heads: 3 },
      'num_attention_heads 4 is not a multiple of num_key_value_heads 3',
    ],
  ])('refuses %j and names the field', async (changes, message) => {
    await expect(openWith({ 'config.json': withSettings(changes) })).rejects.toThrow(message)
  })

  it('rounds sqrt(d_model) to the dtype of the checkpoint', () => {
    const scale = (hidden_size: number, torch_dtype: string) =>
      gemma2.parseConfig('', { ...settings, hidden_size, torch_dtype }).embed_scale
    expect(scale(2304, 'bfloat16')).toBe(48)
    expect(scale(3584, 'bfloat16')).toBe(59.75)
    expect(scale(4608, 'bfloat16')).toBe(68)
    expect(scale(3584, 'float32')).toBe(Math.fround(Math.sqrt(3584)))
  })

  it('lets even layers be local where layer_types is absent', () => {
    const { windows } = gemma2.parseConfig('', { ...settings, layer_types: undefined })
    expect(windows).toEqual([12, -1, 12, -1])
  })
})
