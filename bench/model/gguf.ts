/**
 * The bench's checkpoint as llama.cpp reads it: GGUF version 3, architecture gemma2, matrices in Q8_0, norms in float32. Streamed.
 *
 * A writer for this one purpose. Source: ggml `docs/gguf.md` (layout, value types, gemma2's keys) and the layout of `block_q8_0`.
 */
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openFile } from '../../src/files/read.ts'
import { parseSafetensors, type SafetensorsEntry } from '../../src/formats/safetensors.ts'
import {
  ATTN_SOFTCAP,
  BLOCK_NORMS,
  blockMatrices,
  blockTensor,
  EMBEDDING,
  FINAL_NORM,
  FINAL_SOFTCAP,
  RMS_EPS,
  ROPE_THETA,
  type Shape,
} from './shape.ts'

const VERSION = 3
const ALIGNMENT = 32
/** ggml's tensor types. */
const F32 = 0
const Q8_0 = 8
/** Weights of a Q8_0 block, which share a float16 scale, and the bytes of both. */
const BLOCK = 32
const BLOCK_BYTES = BLOCK + 2
/** Weights quantised at a time. */
const PIECE = 2 ** 22

/** ggml's names of a block's tensors, by Hugging Face's. */
const NAMES: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'post_attention_norm',
  pre_feedforward_layernorm: 'ffn_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

type Placed = {
  readonly name: string
  readonly entry: SafetensorsEntry
  readonly bytes: number
  readonly offset: number
}

/** Writes model-q8_0.gguf beside the checkpoint unless it is there; returns its path. */
export async function ensureGguf(folder: string, shape: Shape): Promise<string> {
  const path = join(folder, 'model-q8_0.gguf')
  if ((await stat(path).catch(() => undefined)) !== undefined) return path
  console.error(`writing ${path}`)
  const source = await openFile(join(folder, 'model.safetensors'))
  const file = await open(`${path}.partial`, 'w')
  try {
    const { tensors } = await parseSafetensors(source)
    const placed = placeTensors(shape, tensors)
    await file.write(renderHead(shape, placed))
    for (const { entry } of placed) {
      const isNorm = entry.shape.length === 1
      const n = entry.length / 2
      for (let at = 0; at < n; at += PIECE) {
        const weights = widen(await source.read(entry.offset + 2 * at, 2 * Math.min(PIECE, n - at)))
        // ggml's graphs multiply by the gain itself, Gemma's checkpoints hold what is added to 1.
        const bytes = isNorm ? new Uint8Array(weights.map((w) => 1 + w).buffer) : quantise(weights)
        await file.write(bytes)
      }
      await pad(file, isNorm ? 4 * n : (n / BLOCK) * BLOCK_BYTES)
    }
  } finally {
    await file.close()
    await source.close()
  }
  await rename(`${path}.partial`, path)
  return path
}

function placeTensors(
  shape: Shape,
  tensors: ReadonlyMap<string, SafetensorsEntry>,
): readonly Placed[] {
  const names = new Map([
    ['token_embd.weight', EMBEDDING],
    ['output_norm.weight', FINAL_NORM],
  ])
  for (let layer = 0; layer < shape.n_layers; layer++)
    for (const part of [...BLOCK_NORMS, ...Object.keys(blockMatrices(shape))])
      names.set(`blk.${layer}.${NAMES[part]}.weight`, blockTensor(layer, part))
  let offset = 0
  return [...names].map(([name, from]) => {
    const entry = tensors.get(from)!
    const n = entry.length / 2
    const placed = {
      name,
      entry,
      bytes: entry.shape.length === 1 ? 4 * n : (n / BLOCK) * BLOCK_BYTES,
      offset,
    }
    offset += aligned(placed.bytes)
    return placed
  })
}

const aligned = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT

async function pad(file: FileHandle, bytes: number): Promise<void> {
  await file.write(new Uint8Array(aligned(bytes) - bytes))
}

/** Header, metadata and tensor table, padded to where the data begin. */
function renderHead(shape: Shape, placed: readonly Placed[]): Uint8Array {
  const metadata: readonly (readonly [string, Value])[] = [
    ['general.architecture', { string: 'gemma2' }],
    ['general.name', { string: 'random weights' }],
    ['general.file_type', { u32: 7 }],
    ['general.quantization_version', { u32: 2 }],
    ['general.alignment', { u32: ALIGNMENT }],
    ['gemma2.context_length', { u32: shape.n_ctx }],
    ['gemma2.embedding_length', { u32: shape.d_model }],
    ['gemma2.block_count', { u32: shape.n_layers }],
    ['gemma2.feed_forward_length', { u32: shape.d_mlp }],
    ['gemma2.vocab_size', { u32: shape.d_vocab }],
    ['gemma2.attention.head_count', { u32: shape.n_heads }],
    ['gemma2.attention.head_count_kv', { u32: shape.n_kv_heads }],
    ['gemma2.attention.key_length', { u32: shape.d_head }],
    ['gemma2.attention.value_length', { u32: shape.d_head }],
    ['gemma2.attention.layer_norm_rms_epsilon', { f32: RMS_EPS }],
    ['gemma2.attention.sliding_window', { u32: shape.sliding_window }],
    ['gemma2.attn_logit_softcapping', { f32: ATTN_SOFTCAP }],
    ['gemma2.final_logit_softcapping', { f32: FINAL_SOFTCAP }],
    ['gemma2.rope.freq_base', { f32: ROPE_THETA }],
    ...vocabulary(shape.d_vocab),
    ['tokenizer.ggml.bos_token_id', { u32: 2 }],
    ['tokenizer.ggml.eos_token_id', { u32: 1 }],
    ['tokenizer.ggml.padding_token_id', { u32: 0 }],
  ]
  const parts: Uint8Array[] = [
    Buffer.from('GGUF'),
    u32(VERSION),
    u64(placed.length),
    u64(metadata.length),
  ]
  for (const [key, value] of metadata) parts.push(string(key), typed(value))
  for (const { name, entry, offset } of placed) {
    const dims = [...entry.shape].reverse()
    parts.push(string(name), u32(dims.length), ...dims.map(u64))
    parts.push(u32(dims.length === 1 ? F32 : Q8_0), u64(offset))
  }
  const head = Buffer.concat(parts)
  return Buffer.concat([head, new Uint8Array(aligned(head.length) - head.length)])
}

/** A vocabulary in name only, since node-llama-cpp opens no model without one: ids go in and come out. */
function vocabulary(d_vocab: number): readonly (readonly [string, Value])[] {
  const special = ['<pad>', '<eos>', '<bos>', '<unk>']
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${hex(byte)}>`)
  const n_rest = d_vocab - special.length - bytes.length
  const rest = Array.from({ length: n_rest }, (_, i) => `<${i}>`)
  // ggml's kinds of tokens: 1 text, 2 unknown, 3 control, 6 byte.
  const kinds = [3, 3, 3, 2, ...bytes.map(() => 6), ...rest.map(() => 1)]
  return [
    ['tokenizer.ggml.model', { string: 'llama' }],
    ['tokenizer.ggml.tokens', { strings: [...special, ...bytes, ...rest] }],
    ['tokenizer.ggml.scores', { f32s: new Float32Array(d_vocab) }],
    ['tokenizer.ggml.token_type', { i32s: Int32Array.from(kinds) }],
  ]
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0')

type Value =
  | { readonly string: string }
  | { readonly u32: number }
  | { readonly f32: number }
  | { readonly strings: readonly string[] }
  | { readonly f32s: Float32Array<ArrayBuffer> }
  | { readonly i32s: Int32Array<ArrayBuffer> }

/** ggml's types of metadata values. */
const TYPE = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 } as const

/** A metadata value behind the number of its type. */
function typed(value: Value): Uint8Array {
  if ('string' in value) return Buffer.concat([u32(TYPE.string), string(value.string)])
  if ('u32' in value) return Buffer.concat([u32(TYPE.u32), u32(value.u32)])
  if ('f32' in value) return Buffer.concat([u32(TYPE.f32), f32(value.f32)])
  const array = (type: number, n: number, items: readonly Uint8Array[]) =>
    Buffer.concat([u32(TYPE.array), u32(type), u64(n), ...items])
  if ('strings' in value) return array(TYPE.string, value.strings.length, value.strings.map(string))
  if ('f32s' in value)
    return array(TYPE.f32, value.f32s.length, [new Uint8Array(value.f32s.buffer)])
  return array(TYPE.i32, value.i32s.length, [new Uint8Array(value.i32s.buffer)])
}

const f32 = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer)
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
const u64 = (value: number): Uint8Array => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer)
const string = (text: string): Uint8Array =>
  Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)])

/** bfloat16 to float32. */
function widen(bytes: Uint8Array): Float32Array<ArrayBuffer> {
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16
  return new Float32Array(bits.buffer)
}

/** Q8_0: blocks of 32 as `d q`, d = max |w| / 127 in float16, q rounded to int8. */
function quantise(weights: Float32Array): Uint8Array {
  const n_blocks = weights.length / BLOCK
  const bytes = new Uint8Array(n_blocks * BLOCK_BYTES)
  const scale = new Float16Array(1)
  const scaleBytes = new Uint8Array(scale.buffer)
  for (let block = 0; block < n_blocks; block++) {
    const from = block * BLOCK
    const to = block * BLOCK_BYTES
    let max = 0
    for (let i = 0; i < BLOCK; i++) {
      const size = Math.abs(weights[from + i]!)
      if (size > max) max = size
    }
    const inverse = max === 0 ? 0 : 127 / max
    scale[0] = max / 127
    bytes[to] = scaleBytes[0]!
    bytes[to + 1] = scaleBytes[1]!
    // Shifted above 0, truncation rounds to the nearest.
    for (let i = 0; i < BLOCK; i++)
      bytes[to + 2 + i] = ((weights[from + i]! * inverse + 128.5) | 0) - 128
  }
  return bytes
}
