import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../../files/index.ts'
import { countParameters, describeModel } from './index.ts'

const settingsOf = (fixture: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(packageRoot(), 'test/fixtures', fixture, 'config.json'), 'utf8'))

/** The config of a fixture with some fields changed; undefined leaves one out. */
const read = (fixture: string, changes: Record<string, unknown>) =>
  describeModel('config.json', JSON.parse(JSON.stringify({ ...settingsOf(fixture), ...changes })))
    .config

describe('config.json', () => {
  it.each([
    ['gemma3-tiny', { sliding_window: null }, 'sliding_window is null, supported: number'],
    ['gemma3-tiny', { use_bidirectional_attention: true }, 'supported: false'],
    ['gemma3-tiny', { layer_types: ['full_attention'] }, 'layer_types has 1 entries, expected'],
    ['gemma3-tiny', { rope_scaling: { rope_type: 'dynamic', factor: 2 } }, "supported: 'default'"],
    ['llama-tiny', { rms_norm_eps: undefined }, 'rms_norm_eps is missing, supported: number'],
    ['llama-tiny', { num_key_value_heads: 3 }, 'num_attention_heads 4 is not a multiple of'],
    ['llama-tiny', { eos_token_id: '2' }, 'eos_token_id is "2", supported: an id or a list of ids'],
    ['llama-tiny', { num_hidden_layers: 5000 }, 'num_hidden_layers is 5000, supported:'],
    ['llama-tiny', { head_dim: 12 }, 'head_dim is 12, supported: multiples of 8'],
    ['llama-tiny', { head_dim: null }, 'width 28 over 4 heads is 7, supported: multiples of 8'],
    [
      'llama-tiny',
      { rope_scaling: { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 } },
      'rope_scaling.original_max_position_embeddings is missing',
    ],
    [
      'llama-tiny',
      { rope_scaling: { rope_type: 'linear', factor: 8, mscale: 2 } },
      'rope_scaling.mscale is 2, a setting of llama that Hooke does not know',
    ],
    [
      'llama-tiny',
      { rope_scaling: null, rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } },
      'rope_parameters.partial_rotary_factor is 0.5, supported: 1',
    ],
    ['llama-tiny', { quantization_config: { bits: 4 } }, 'quantization_config is {"bits": 4}'],
    ['mistral-tiny', { sliding_window: undefined }, 'sliding_window is missing'],
    ['mistral-tiny', { hidden_act: 'mish' }, 'hidden_act is "mish", supported: "gelu"|"gelu_new"'],
    ['qwen2-tiny', { use_mrope: true }, 'use_mrope is true, supported: false'],
    [
      'qwen2-tiny',
      { sliding_window: null },
      'use_sliding_window is true and sliding_window is null',
    ],
    ['qwen3-tiny', { num_experts: 8 }, 'num_experts is 8, a setting of qwen3'],
    ['qwen3-tiny', { layer_types: ['linear_attention', 'full_attention'] }, 'layer_types.0 is'],
    ['gpt2-tiny', { scale_attn_by_inverse_layer_idx: true }, 'is true, supported: false'],
    ['gpt2-tiny', { n_head: 5 }, 'width 24 over 5 heads is 4.8, supported: multiples of 8'],
    ['gpt-neox-tiny', { rotary_pct: 0.2 }, 'rotary_pct 0.2 of 16 channels a head is 3, supported'],
    ['gpt-neox-tiny', { layer_norm_eps: 0 }, 'layer_norm_eps is 0, supported:'],
  ])('of %s with %j is refused: %s', (fixture, changes, message) => {
    expect(() => read(fixture, changes)).toThrow(message)
    expect(() => read(fixture, {})).not.toThrow()
  })

  it('may hold fields that say nothing about the numbers', () => {
    const silent = { _name_or_path: 'x', use_cache: false, architectures: [], dtype: 'float32' }
    for (const fixture of ['llama-tiny', 'gpt2-tiny', 'gpt-neox-tiny', 'gemma3-tiny']) {
      expect(read(fixture, { ...silent, torch_dtype: undefined }).d_vocab).toBe(
        read(fixture, {}).d_vocab,
      )
    }
  })

  it('may say in rope_parameters how many channels turn, and from which base', () => {
    const old = read('gpt-neox-tiny', { rotary_pct: 0.5, rotary_emb_base: 500 })
    expect(old.rope).toMatchObject({ rotary_dim: 8, tables: [{ scale: 1 }] })
    const rope_parameters = { rope_type: 'default', partial_rotary_factor: 0.5, rope_theta: 500 }
    const none = { rotary_pct: undefined, rotary_emb_base: undefined }
    expect(read('gpt-neox-tiny', { ...none, rope_parameters })).toEqual(old)
    const llama = { rope_scaling: undefined, rope_theta: 500 }
    const nested = { rope_scaling: undefined, rope_theta: undefined }
    expect(
      read('llama-tiny', { ...nested, rope_parameters: { rope_type: 'default', rope_theta: 500 } }),
    ).toEqual(read('llama-tiny', llama))
  })

  it('names the ids that frame a text, or none', () => {
    expect(read('llama-tiny', { eos_token_id: [2, 5] })).toMatchObject({
      bos_token_id: 1,
      eos_token_ids: [2, 5],
      pad_token_id: 2,
    })
    const none = { bos_token_id: null, eos_token_id: null, pad_token_id: -1 }
    expect(read('qwen2-tiny', none)).toMatchObject({
      bos_token_id: undefined,
      eos_token_ids: [],
      pad_token_id: 0,
    })
    expect(read('qwen2-tiny', { pad_token_id: 4 }).pad_token_id).toBe(4)
  })

  it('says which layers look back how far', () => {
    expect(read('gemma3-tiny', {}).windows).toEqual([8, 8, 8, 8, 8, -1])
    const pattern = { layer_types: undefined, sliding_window_pattern: 3 }
    expect(read('gemma3-tiny', pattern).windows).toEqual([8, 8, -1, 8, 8, -1])
    expect(read('gemma3-tiny', pattern).rope?.of_layer).toEqual([1, 1, 0, 1, 1, 0])
    expect(read('mistral-tiny', {}).windows).toEqual([5, 5, 5])
    expect(read('mistral-tiny', { sliding_window: null }).windows).toEqual([-1, -1, -1])
    expect(read('qwen2-tiny', {}).windows).toEqual([-1, 6, 6])
    expect(read('qwen2-tiny', { use_sliding_window: false }).windows).toEqual([-1, -1, -1])
    const types = ['sliding_attention', 'full_attention', 'sliding_attention']
    expect(read('qwen2-tiny', { layer_types: types }).windows).toEqual([6, -1, 6])
    expect(read('llama-tiny', {}).windows).toEqual([-1, -1, -1])
  })

  it('tells how many numbers a model has learned', () => {
    // Embedding, unembedding and final norm; in a block queries, keys, values and output, the MLP, two norms.
    const llama = 61 * 28 * 2 + 28 + 3 * (28 * (64 + 32 + 32 + 64) + 3 * 28 * 37 + 2 * 28)
    expect(countParameters(read('llama-tiny', {}))).toBe(llama)
    const block = 24 * 72 + 72 + 24 * 24 + 24 + 2 * 24 * 96 + 96 + 24 + 4 * 24
    expect(countParameters(read('gpt2-tiny', {}))).toBe(57 * 24 + 48 * 24 + 2 * 24 + 2 * block)
  })

  it('may leave out of text_config what the family has by default', () => {
    const text_config = {
      model_type: 'gemma3_text',
      hidden_size: 2560,
      intermediate_size: 10240,
      num_hidden_layers: 34,
      rope_scaling: { factor: 8, rope_type: 'linear' },
      sliding_window: 1024,
    }
    const config = describeModel('config.json', {
      model_type: 'gemma3',
      eos_token_id: [1, 106],
      bos_token_id: 2,
      mm_tokens_per_image: 256,
      torch_dtype: 'bfloat16',
      vision_config: {},
      text_config,
    }).config
    expect(config).toMatchObject({
      n_heads: 8,
      n_kv_heads: 4,
      d_head: 256,
      d_vocab: 262_208,
      n_ctx: 131_072,
      eos_token_ids: [1, 106],
      embed_scale: 50.5,
      query_scale: 1 / 16,
    })
    expect(config.windows.flatMap((window, layer) => (window === -1 ? [layer] : []))).toEqual([
      5, 11, 17, 23, 29,
    ])
    const [global, local] = config.rope!.tables
    expect(global!.inv_freq[0]).toBe(1 / 8)
    expect(global!.inv_freq[64]).toBeCloseTo(1e-3 / 8, 12)
    expect(local!.inv_freq[64]).toBeCloseTo(1e-2, 12)
  })
})
