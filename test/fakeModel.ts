/** A model small enough to compute by hand: its activations are a formula of token and position, its tokens are characters. */

import type { HookActs, HookName, Model, Tokenizer } from '../src/model/index.ts'

/** Characters as ids: ASCII codes; 0 padding, 1 EOS (written `$` in texts), 2 BOS. */
export const characters: Tokenizer = {
  bos: 2,
  tokenize(text, { bos = true } = {}) {
    const ids = Array.from(text, (char) => (char === '$' ? 1 : char.charCodeAt(0)))
    return Int32Array.from(bos ? [2, ...ids] : ids)
  },
  detokenize: (ids) => Array.from(ids, (id) => characters.openText().push(id)).join(''),
  openText: () => ({
    push: (id) => (id < 3 ? '' : String.fromCharCode(id)),
    end: () => '',
  }),
  pieces: Array.from({ length: 128 }, (_, id) => String.fromCharCode(id)),
  special_ids: new Set([0, 1, 2]),
}

/**
 * A fake model.
 * @param acts value of component k at a site, for the token `id` at position `t`.
 * @param widths width of each site, in the order of the pass.
 * @returns the model, and how many forward passes it ran.
 */
export function fakeModel(
  acts: (hook: HookName, id: number, t: number, k: number) => number,
  widths: Partial<Record<HookName, number>>,
  unembedding: Float32Array = new Float32Array(128 * 4),
): Model & { readonly passes: { n: number } } {
  const hooks = Object.keys(widths) as HookName[]
  const passes = { n: 0 }
  const width = (hook: HookName) => widths[hook]!
  return {
    passes,
    name: 'fake',
    hash: 'fa4e',
    tokenizer: characters,
    hooks,
    backend: 'cpu',
    memory: { weights: 'f32', isStreamed: false, weights_bytes: 0, working_bytes: 0 },
    width,
    config: {
      model_type: 'gemma2',
      n_layers: 1,
      d_model: unembedding.length / 128,
      d_mlp: 8,
      d_head: 2,
      n_heads: 2,
      n_kv_heads: 1,
      d_vocab: 128,
      n_ctx: 64,
      norm: 'rms',
      norm_eps: 1e-6,
      act: 'gelu_tanh',
      parallel: false,
      windows: [64],
      query_scale: 1,
      attn_softcap: 50,
      final_softcap: 30,
      embed_scale: 1,
      tied: true,
      qkv_bias: false,
      o_bias: false,
      mlp_bias: false,
      bos_token_id: 2,
      eos_token_ids: [1],
      pad_token_id: 0,
    },
    async forward({ ids, lengths, n_seqs, seq_len }, { hooks: asked = [], reads = [] } = {}) {
      passes.n++
      const found = new Map<HookName, HookActs>()
      for (const hook of new Set([...asked, ...reads.map((read) => read.hook)])) {
        const d = width(hook)
        const data = new Float32Array(n_seqs * seq_len * d).fill(Number.NaN)
        for (const [row, length] of lengths.entries()) {
          for (let t = 0; t < length; t++) {
            const at = row * seq_len + t
            for (let k = 0; k < d; k++) data[at * d + k] = acts(hook, ids[at]!, t, k)
          }
        }
        const entry = { hook, data, n_seqs, seq_len, d, start: 0, lengths }
        for (const read of reads) if (read.hook === hook) await read.read(entry)
        if (asked.includes(hook)) found.set(hook, entry)
      }
      return { acts: found }
    },
    openCache() {
      throw new TypeError('The fake model does not generate.')
    },
    unembedding: async () => unembedding,
    async close() {},
  }
}
