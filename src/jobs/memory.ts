/** What a run needs in memory, part by part, and how a budget is shared out among what can be sized. */

import { STREAM_BUCKETS } from '../activations/index.ts'
import { readoutBytes } from '../evaluate/index.ts'
import type { FloatDtype } from '../formats/index.ts'
import { DTYPE_BYTES } from '../formats/index.ts'
import { type HookName, type Model, type ModelConfig, passBytes } from '../model/index.ts'
import { type RecipeInput, type SaeSpec, trainingMemory } from '../train/index.ts'

/** One SAE with the widths of its sites. */
type SaeSize = SaeSpec & { readonly d_in: number; readonly d_out: number }

/** A model as far as its memory goes. */
type RunModel = Pick<Model, 'config' | 'memory'>

/** What is known of a run before it begins. */
export type RunFacts = {
  /** `capture`: into a store and train from it. `stream`: together. `store`: from a store that is there. */
  readonly mode: 'capture' | 'stream' | 'store'
  readonly saes: readonly SaeSize[]
  /** Width of every captured site, outputs of transcoders among them. */
  readonly sites: Readonly<Record<string, number>>
  readonly dtype: FloatDtype
  /** Countable tokens of the text, or of the store. */
  readonly text_tokens: number
  /** Tokens to train on, epochs counted. */
  readonly n_tokens: number
  readonly batch_size: number
  readonly threads: number
  readonly recipe?: RecipeInput
  /** Absent where the model is not run. */
  readonly model?: RunModel
}

/** Bytes at once. */
export type MemoryPlan = {
  /** The program itself: Node, ONNX Runtime, the code of all stages. */
  readonly program_bytes: number
  /** Weights of the model; 0 where it is not run. */
  readonly model_bytes: number
  /** Arrays of a forward pass, and the activations that wait to be written. */
  readonly capture_bytes: number
  /** Activations held for training: all of them, or the buckets. */
  readonly activation_bytes: number
  /** Weights, optimiser, arrays of a batch, the heaps of its threads, and an SAE while it is saved. */
  readonly training_bytes: number
  /** Finished SAEs and the passes they are measured with; 0 where they are not. */
  readonly measuring_bytes: number
  /** The most of these that are needed at a time. */
  readonly peak_bytes: number
}

/** How activations are held and written. */
export type Sizes = {
  /** Most bytes of activations held for training. */
  readonly activation_bytes: number
  /** stream: most tokens of a bucket. */
  readonly bucket_tokens: number
  /** capture: about how many tokens a shard holds. */
  readonly shard_tokens: number
}

/** Padded tokens of a forward pass while capturing. */
export const BATCH_TOKENS = 4096
/** Padded tokens of a forward pass while evaluating. */
const EVALUATION_TOKENS = 2048
/** Memory for activations where no budget is given. */
export const ACTIVATION_BYTES = 3 * 2 ** 30
const SHARD_TOKENS = 32_768
/** Shuffling over fewer tokens than this is none worth the name. */
const LEAST_BUCKET_TOKENS = 100_000
/** A store is read in buckets of several shards: no fewer than this many must fit into its memory. */
const LEAST_SHARDS = 32
const MOST_BUCKET_TOKENS = 1_000_000
/** Buckets an epoch, where memory would allow larger ones: capture of one overlaps training of another. */
const BUCKETS_PER_EPOCH = 8

/** Measured: Node with ONNX Runtime and the code of all stages; a thread with its heap; the sessions of a small model. */
const PROGRAM_BYTES = 200 * 2 ** 20
const THREAD_BYTES = 40 * 2 ** 20
const SESSIONS_BYTES = 30 * 2 ** 20
/** A stream besides: the program in a second thread, and what the first model leaves with the allocator. */
const STREAM_BYTES = 160 * 2 ** 20

/** A budget leaves this much room for what a plan does not foresee; measured runs differ from it by up to 8 %. */
const MARGIN = 1.1

/** Bytes of one token's activations at all captured sites, as they are held. */
export const tokenBytes = ({ sites, dtype }: Pick<RunFacts, 'sites' | 'dtype'>): number =>
  DTYPE_BYTES[dtype] * sumWidths(sites)

/**
 * Settles the sizes of a run and adds up its memory.
 * @param budget.memory_bytes what all of it must stay within; without it the usual sizes.
 * @param budget.activation_bytes what the run was begun with; it is then not settled anew.
 * @throws RangeError if the budget cannot be kept, naming what is needed and what to lower.
 */
export function settleMemory(
  facts: RunFacts,
  budget: { readonly memory_bytes?: number; readonly activation_bytes?: number },
): { readonly sizes: Sizes; readonly memory: MemoryPlan } {
  const parts = {
    program_bytes: PROGRAM_BYTES + (facts.mode === 'stream' ? STREAM_BYTES : 0),
    model_bytes: facts.model === undefined ? 0 : modelBytes(facts.model),
    forward_bytes:
      facts.model === undefined ? 0 : capturePassBytes(facts.model.config, facts.sites),
    training_bytes: trainingBytes(facts),
  }
  const besides =
    parts.program_bytes +
    parts.training_bytes +
    (facts.mode === 'stream' ? parts.model_bytes + parts.forward_bytes : 0)
  const least = leastActivations(facts)
  const allowed = (budget.memory_bytes ?? Number.POSITIVE_INFINITY) / MARGIN
  const room = allowed - besides
  // Shards follow from the activations, and must leave room for the passes that fill them.
  const shard_room = allowed - parts.program_bytes - parts.model_bytes - parts.forward_bytes
  const most = facts.mode === 'capture' ? Math.min(room, heldByShards(facts, shard_room)) : room
  const activation_bytes =
    budget.activation_bytes ?? Math.min(ACTIVATION_BYTES, Math.max(most, least))
  const sizes = sizesOf(facts, activation_bytes)
  const memory = add(facts, parts, sizes)
  if (budget.memory_bytes !== undefined && memory.peak_bytes > allowed)
    throw refusal(facts, memory, budget.memory_bytes, budget.activation_bytes !== undefined)
  return { sizes, memory }
}

/** Bytes of weights and optimiser, which a checkpoint holds too. */
export const stateBytes = (facts: RunFacts): number => planned(facts).state_bytes

/** The engine's own memory, its threads, the two sets of batches that its source fills in turn, and the largest SAE while it is saved. */
function trainingBytes(facts: RunFacts): number {
  const { saes, sites, threads, batch_size, mode } = facts
  const saved = Math.max(...saes.map(({ d_in, d_out, d_sae }) => 3 * 4 * d_sae * (d_in + d_out)))
  const n_threads = threads + (mode === 'stream' ? 1 : 0)
  const batches = 2 * 4 * batch_size * sumWidths(sites)
  return planned(facts).total_bytes + n_threads * THREAD_BYTES + batches + saved
}

function planned({ saes, sites, batch_size, n_tokens, threads, recipe }: RunFacts) {
  const source = {
    hooks: Object.keys(sites) as HookName[],
    width: (hook: HookName) => sites[hook]!,
  }
  const settings = { saes, source, batch_size, n_tokens, threads }
  return trainingMemory(recipe === undefined ? settings : { ...settings, recipe })
}

/** Sizes follow from the memory for activations alone, so that a run that goes on cuts as it did before. */
function sizesOf(facts: RunFacts, activation_bytes: number): Sizes {
  const per_token = tokenBytes(facts)
  const held_tokens = Math.max(1, Math.floor(activation_bytes / per_token))
  const { text_tokens, n_tokens } = facts
  const isRepeated = n_tokens > text_tokens
  // A text that is read several times and fits is captured once, as one bucket.
  const bucket_tokens =
    isRepeated && text_tokens <= held_tokens
      ? text_tokens
      : Math.min(
          Math.floor(held_tokens / STREAM_BUCKETS),
          MOST_BUCKET_TOKENS,
          Math.max(LEAST_BUCKET_TOKENS, Math.ceil(text_tokens / BUCKETS_PER_EPOCH)),
        )
  const shard_tokens = Math.max(1, Math.min(SHARD_TOKENS, Math.floor(held_tokens / LEAST_SHARDS)))
  return { activation_bytes, bucket_tokens, shard_tokens }
}

/** Activations held at most, so that a shard of their share fits into `room` while it is written. */
function heldByShards(facts: RunFacts, room: number): number {
  const shard_tokens = Math.floor(room / shardBytes({ ...facts, text_tokens: 1 }, 1)) - BATCH_TOKENS
  return shard_tokens >= SHARD_TOKENS
    ? Number.POSITIVE_INFINITY
    : LEAST_SHARDS * shard_tokens * tokenBytes(facts)
}

/** Fewer bytes of activations than this would not be shuffled. */
function leastActivations(facts: RunFacts): number {
  const { text_tokens } = facts
  const whole = text_tokens * tokenBytes(facts)
  const buckets = STREAM_BUCKETS * LEAST_BUCKET_TOKENS * tokenBytes(facts)
  return Math.min(whole, buckets)
}

function add(
  facts: RunFacts,
  parts: {
    program_bytes: number
    model_bytes: number
    forward_bytes: number
    training_bytes: number
  },
  { activation_bytes, bucket_tokens, shard_tokens }: Sizes,
): MemoryPlan {
  const { program_bytes, model_bytes, forward_bytes, training_bytes } = parts
  const { mode, text_tokens } = facts
  const per_token = tokenBytes(facts)
  const n_buckets = bucket_tokens >= text_tokens ? 1 : STREAM_BUCKETS
  const held =
    mode === 'stream'
      ? n_buckets * Math.min(bucket_tokens, text_tokens) * per_token
      : Math.min(activation_bytes, text_tokens * per_token)
  const measuring_bytes =
    facts.model === undefined
      ? 0
      : facts.saes.reduce((sum, { d_in, d_out, d_sae }) => sum + 4 * d_sae * (d_in + d_out), 0) +
        passBytes(facts.model.config, EVALUATION_TOKENS) +
        readoutBytes(facts.model.config)
  const capture_bytes =
    mode === 'store'
      ? 0
      : forward_bytes + (mode === 'capture' ? shardBytes(facts, shard_tokens) : 0)
  const isStream = mode === 'stream'
  const training = held + training_bytes + (isStream ? model_bytes + capture_bytes : 0)
  // What a stream held is shared memory, which is given back some time later.
  const measuring = model_bytes + measuring_bytes + (isStream ? held : 0)
  const peak_bytes = program_bytes + Math.max(training, model_bytes + capture_bytes, measuring)
  return {
    program_bytes,
    model_bytes,
    capture_bytes,
    activation_bytes: held,
    training_bytes,
    measuring_bytes,
    peak_bytes,
  }
}

function refusal(
  facts: RunFacts,
  memory: MemoryPlan,
  memory_bytes: number,
  isBegun: boolean,
): RangeError {
  const { training_bytes, activation_bytes, model_bytes, capture_bytes, program_bytes } = memory
  const parts = [
    ['training', training_bytes, 'fewer --hooks, a smaller --width, or a smaller --batch'],
    ['activations', activation_bytes, facts.dtype === 'F32' ? '--dtype BF16' : 'fewer --hooks'],
    ['the model', model_bytes, 'a smaller model, or its weights in fewer bits (--weights bf16)'],
    ['capturing', capture_bytes, 'fewer --hooks'],
    ['the program', program_bytes, 'fewer --threads'],
  ] as const
  const named = parts
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${name} ${gibibytes(bytes)}`)
  const [largest] = [...parts].sort((a, b) => b[1] - a[1])
  const begun = isBegun ? ' with the activations it was begun with' : ''
  const together =
    facts.mode === 'stream' ? ' Without --stream the model and training take turns.' : ''
  return new RangeError(
    `memory: this run needs ${gibibytes(memory.peak_bytes * MARGIN)} GiB at least${begun} (${named.join(', ')}), and --memory allows ${gibibytes(memory_bytes)} GiB. Ask for ${largest![2]}; or allow more.${together}`,
  )
}

/** The most memory of a capture into a store by itself, in shards of the usual size. */
export function captureMemory(
  model: RunModel,
  capture: Pick<RunFacts, 'sites' | 'dtype' | 'text_tokens'>,
): number {
  const forward = modelBytes(model) + capturePassBytes(model.config, capture.sites)
  return PROGRAM_BYTES + forward + shardBytes(capture, SHARD_TOKENS)
}

/** A shard waits as float32, is put together once more, and is written from two copies in its own element type. */
const shardBytes = (
  facts: Pick<RunFacts, 'sites' | 'dtype' | 'text_tokens'>,
  shard_tokens: number,
): number =>
  Math.min(shard_tokens + BATCH_TOKENS, facts.text_tokens) *
  (8 * sumWidths(facts.sites) + 2 * tokenBytes(facts))

const modelBytes = ({ memory }: RunModel): number => SESSIONS_BYTES + memory.weights_bytes

/** A capture's passes, and the activations of a batch: as they come, and those of its counted tokens. */
const capturePassBytes = (config: ModelConfig, sites: RunFacts['sites']): number =>
  passBytes(config, BATCH_TOKENS) +
  4 * BATCH_TOKENS * (sumWidths(sites) + 6 * config.d_model + 2 * config.d_head * config.n_heads)

const sumWidths = (sites: RunFacts['sites']): number =>
  Object.values(sites).reduce((sum, width) => sum + width, 0)

const gibibytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)
