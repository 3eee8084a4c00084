/** What a language model is to the rest of Hooke: batches of tokens in, activations at hook sites out. */

import type { Backend } from './graphSession.ts'
import type { HookName } from './hooks.ts'
import type { Region } from './kernels/index.ts'
import type { KvRoom } from './kvCache.ts'
import type { ModelMemory } from './memory.ts'

/** Token sequences of unequal length as one right-padded array. */
export type TokenBatch = {
  /** [n_seqs, seq_len], row-major; padding lies on the right. */
  readonly ids: Int32Array
  /** [n_seqs]: how many tokens of each row are real. */
  readonly lengths: Int32Array
  readonly n_seqs: number
  readonly seq_len: number
}

/** Activations at one hook site for a batch (or, with a KV cache, for its newest columns). */
export type HookActs = {
  readonly hook: HookName
  /** [n_seqs, seq_len, d], row-major; rows of padding hold numbers without meaning. An edit writes here. */
  readonly data: Float32Array
  readonly n_seqs: number
  readonly seq_len: number
  readonly d: number
  /** Absolute position of column 0: 0 in a plain forward pass, the cache's length while generating. */
  readonly start: number
  readonly lengths: Int32Array
}

/** Changes activations in place at a hook site before the pass goes on. Edits run in the order given. */
export type HookEdit = {
  readonly hook: HookName
  readonly apply: (acts: HookActs) => void | Promise<void>
}

/**
 * Looks at the activations at a hook site, after its edits and before the pass goes on, without changing them. Their array is the
 * pass's own and is emptied behind it, so that capturing every site holds one at a time: copy what is to stay.
 */
export type HookRead = {
  readonly hook: HookName
  readonly read: (acts: HookActs) => void | Promise<void>
}

export type ForwardOptions = {
  /** Sites to return; the pass stops after the last one when `logits` is false. */
  readonly hooks?: readonly HookName[]
  readonly edits?: readonly HookEdit[]
  /** For edits at later sites that depend on what is found here. */
  readonly reads?: readonly HookRead[]
  /** Return logits [n_seqs, seq_len, d_vocab], or with `'last'` only each row's last real token's, [n_seqs, d_vocab] (default false). */
  readonly logits?: boolean | 'last'
  /** Return next-token losses [n_seqs, seq_len - 1] in nats, NaN where the target is padding (default false). */
  readonly loss?: boolean
  /**
   * The residual stream at a block's `hook_resid_pre` or `hook_resid_post`, as an earlier pass of the same batch returned it:
   * the pass begins there. It is not written to. Not with a cache, nor with hooks, reads or edits before that site.
   */
  readonly from?: HookActs
  /**
   * Keys and values of earlier tokens: the batch goes on from `cache.length`, and its own are added.
   * All rows must then have the same length. After an error or an abort the cache is as before.
   */
  readonly cache?: KvCache
  readonly signal?: AbortSignal
}

/** Keys and values of the tokens so far, updated in place. Made by `Model.openCache`; its memory may need `close` to be free again. */
export type KvCache = {
  readonly n_seqs: number
  /** Tokens it may hold. */
  readonly n_ctx: number
  /** Tokens it has room for now; it grows up to n_ctx as it is filled. */
  capacity: number
  /** Tokens it holds, the same for every row. Set it lower to go back. */
  length: number
  layers: readonly KvLayer[]
  readonly room: KvRoom
  /** Gives its memory back; it is empty then, and may be filled anew. */
  close(): void
}

export type KvLayer = {
  /** [n_seqs, n_kv_heads, capacity, d_head], as `v` is. */
  readonly k: Float32Array
  readonly v: Float32Array
  /** Where both lie, `v` right behind `k`, if threads share them. */
  readonly region?: Region
}

export type ForwardResult = {
  readonly acts: ReadonlyMap<HookName, HookActs>
  readonly logits?: Float32Array
  readonly next_token_loss?: Float32Array
}

/** Nonlinearity of the MLP; `gelu_tanh` is GELU in its tanh approximation, `silu` is x * sigmoid(x). */
export type Activation = 'gelu_tanh' | 'gelu' | 'silu' | 'relu'

/** Rotary position embedding: channel pairs (j, j + rotary_dim / 2) of a head turn by `position * inv_freq[j]`. */
export type RopeConfig = {
  /** Channels of a head that turn, the first ones; d_head unless rotation is partial. */
  readonly rotary_dim: number
  /** One for each kind of layer. */
  readonly tables: readonly RopeTable[]
  /** [n_layers]: each layer's table. */
  readonly of_layer: readonly number[]
}

export type RopeTable = {
  /** [rotary_dim / 2], radians a position. */
  readonly inv_freq: readonly number[]
  /** Multiplies cosines and sines. */
  readonly scale: number
}

/** What a family's reader makes of config.json: everything that the graphs depend on, whatever the family calls it. */
export type ModelConfig = {
  /** The family, as config.json names it. */
  readonly model_type: string
  readonly n_layers: number
  readonly d_model: number
  readonly d_mlp: number
  readonly d_head: number
  readonly n_heads: number
  readonly n_kv_heads: number
  readonly d_vocab: number
  readonly n_ctx: number
  /** RMSNorm, or LayerNorm, which takes the mean off first. */
  readonly norm: 'rms' | 'layer'
  readonly norm_eps: number
  readonly act: Activation
  /** The MLP reads the block's input beside attention, not after it: there is no resid_mid. */
  readonly parallel: boolean
  /** Absent in a model with learned positions. */
  readonly rope?: RopeConfig
  /** [n_layers]: how many tokens attention looks back, the query itself included; -1 for all. */
  readonly windows: readonly number[]
  readonly query_scale: number
  /** `cap * tanh(score / cap)` on attention scores; 0 for none. */
  readonly attn_softcap: number
  /** `cap * tanh(logit / cap)` on logits; 0 for none. */
  readonly final_softcap: number
  /** Multiplies embedding rows: Gemma's sqrt(d_model), rounded to the checkpoint's dtype as in training; 1 elsewhere. */
  readonly embed_scale: number
  /** The unembedding is the embedding. */
  readonly tied: boolean
  readonly qkv_bias: boolean
  readonly o_bias: boolean
  readonly mlp_bias: boolean
  /** As config.json has it; whether the tokenizer puts it in front is the tokenizer's matter. */
  readonly bos_token_id: number | undefined
  readonly eos_token_ids: readonly number[]
  /** Fills rows of a batch on the right, where no real token looks: config.json's, or EOS where it names none. */
  readonly pad_token_id: number
}

/** Text to token ids and back. */
export interface Tokenizer {
  /** The id that leads every text; undefined where the tokenizer's own files put none there (GPT-2, GPT-NeoX, Qwen). */
  readonly bos: number | undefined
  /**
   * Ids of a text, led by `bos` where there is one. BOS, EOS, padding and unknown written in the text stay text; other added
   * tokens are found in it. Half a surrogate pair becomes U+FFFD.
   * @param options.bos whether BOS leads, whatever the files say.
   * @param options.mark for a rendered chat: every added token is found, except where this character stands in it; then it is
   *   taken out of the text.
   * @throws RangeError if BOS is asked for and the files name none.
   */
  tokenize(text: string, options?: { bos?: boolean; mark?: string }): Int32Array
  /** Text of ids; BOS, EOS, padding and unknown are left out, damaged UTF-8 is U+FFFD. */
  detokenize(ids: ArrayLike<number>, options?: TextOptions): string
  /** Text of ids as they come. */
  openText(options?: TextOptions): TextStream
  /** What one id looks like on a page: space marks as spaces, bytes that are no whole character as `<0xE2>`. [d_vocab] */
  readonly pieces: readonly string[]
  /** BOS, EOS, padding, unknown, chat frame: out of all statistics. */
  readonly special_ids: ReadonlySet<number>
  /** Absent where the folder has no chat template. */
  readonly chat?: ChatFormat
}

export type TextOptions = {
  /** The ids go on from others: a leading space is theirs (default: false, and what tokenizing put there is taken off). */
  readonly continues?: boolean
}

export type TextStream = {
  /** What an id adds to the text: nothing while it ends within a character. */
  push(id: number): string
  /** What was held back, when no more ids come. */
  end(): string
}

/** How a model's conversations are written, as its folder says. */
export type ChatFormat = {
  /** The file that the template is in. */
  readonly source: string
  readonly template: string
  /** Tokens that the template may name: `bos_token`, `eos_token` and so on. */
  readonly tokens: Readonly<Record<string, string>>
  /** Ids that end an answer, as generation_config.json has them. */
  readonly end_ids: readonly number[]
}

/** An open language model. Not thread-safe: one call at a time. */
export interface Model {
  /** The folder's base name or bundled name. */
  readonly name: string
  /** Content hash of config and weights (hex), for manifests. */
  readonly hash: string
  readonly config: ModelConfig
  /** Absent where the folder has no tokenizer. */
  readonly tokenizer: Tokenizer | undefined
  /** Every hook site, in the order of the pass. */
  readonly hooks: readonly HookName[]
  /** What it holds in memory, and whether its blocks are read anew at every pass. */
  readonly memory: ModelMemory
  /** Where its graphs run. */
  readonly backend: Backend
  /** Width of a hook site: n_heads * d_head at `attn.hook_z`, d_model elsewhere. */
  width(hook: HookName): number
  /** @throws RangeError if the batch is not one the model can run (sizes, ids, context), or an edit or hook is not the model's. */
  forward(batch: TokenBatch, options?: ForwardOptions): Promise<ForwardResult>
  /** An empty cache for `n_seqs` rows of at most `n_ctx` tokens (default and limit: the model's). */
  openCache(n_seqs: number, n_ctx?: number): KvCache
  /**
   * Unembedding [d_vocab, d_model] with the final norm's gain folded in, and where that norm is a LayerNorm its taking the mean
   * off: for logit effects. Cached.
   */
  unembedding(): Promise<Float32Array>
  close(): Promise<void>
}
