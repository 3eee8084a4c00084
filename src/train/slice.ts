/**
 * The part of one SAE that one thread owns: some of its shards, in one WebAssembly memory, with the ONNX Runtime session
 * for their encoder product. Knows nothing of threads; `engine.ts` and `shardWorker.ts` do.
 *
 * A step: `load` the batch, `forward` each shard (product, scan, decode), sum the partial reconstructions of all shards
 * outside, `setResidual`, `update` each shard.
 *
 * Memory, per latent: four rows of d_in floats (two weights, two second moments; gradients live in one row that all latents
 * share). Per batch: three arrays [batch_size, d_in], and room for every entry, of which only what is used becomes real.
 */
import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import { type Kernels, type KernelVariant, openKernels } from './kernels/load.ts'
import { MemoryPlan, planShard, planShared, ShardView } from './kernels/shard.ts'

/** Pre-activations held at a time: with the packed weights beside them, about what a core's cache holds. */
const PRE_BYTES = 2 ** 20
/** Entries a shard may have in a batch, where all of them (n * width) would need more memory than this. */
const MAX_ENTRIES = 2 ** 24

/** Latents `first .. first + width` of an SAE. */
export type ShardRange = { readonly first: number; readonly width: number }

export type SliceOptions = {
  readonly d_in: number
  readonly batch_size: number
  readonly shards: readonly ShardRange[]
  readonly bandwidth: number
  readonly beta2: number
  readonly adam_eps: number
  readonly dead_steps: number
  readonly pre_act_weight: number
  readonly variant: KernelVariant
}

/** Numbers of one step. */
export type StepScalars = {
  readonly lr: number
  readonly lr_threshold: number
  /** d sparsity loss / d l0. */
  readonly sparsity_slope: number
  /** Steps taken, this one included. */
  readonly t: number
}

/** Floats in a padded row of d. */
export const padded = (d: number): number => Math.ceil(d / 16) * 16

/** Latents of an SAE cut into `n_shards` ranges as equal as can be. */
export function shardRanges(d_sae: number, n_shards: number): ShardRange[] {
  const border = (i: number) => Math.floor((d_sae * i) / n_shards)
  return Array.from({ length: n_shards }, (_, i) => ({
    first: border(i),
    width: border(i + 1) - border(i),
  }))
}

type ShardParts = {
  readonly view: ShardView
  readonly pre_at: number
  /** Tokens [first, first + m) of the batch with their ready-made inputs and outputs. */
  readonly chunks: readonly {
    readonly first: number
    readonly m: number
    readonly feeds: Readonly<Record<string, Tensor>>
    readonly fetches: { readonly pre: Tensor }
  }[]
}

export class SaeSlice {
  readonly options: SliceOptions
  readonly shards: readonly ShardView[]
  /** [batch_size, padded d]: what `forward` leaves and `setResidual` takes its summands through. */
  readonly partial: Float32Array
  /** Milliseconds in the encoder product so far. */
  gemm_ms = 0
  readonly #d: number
  readonly #parts: readonly ShardParts[]
  readonly #kernels: Kernels
  readonly #session: InferenceSession
  readonly #at: { x: number; residual: number; partial: number; b: number; mean: number }
  readonly #b: Float32Array
  readonly #mean: Float32Array

  private constructor(options: SliceOptions, session: InferenceSession) {
    const { d_in, batch_size } = options
    const d = padded(d_in)
    this.options = options
    this.#d = d
    this.#session = session
    const plan = new MemoryPlan()
    const shared = planShared(plan, { d, width: 0, n: batch_size, capacity: 0 })
    const partial = plan.take(batch_size * d)
    const b = plan.take(d)
    const mean = plan.take(d)
    this.#at = { x: shared.x, residual: shared.residual, partial, b, mean }
    const planned = options.shards.map(({ width }) => {
      const capacity = Math.min(batch_size * width, MAX_ENTRIES) + width
      const sizes = { d, width, n: batch_size, capacity }
      const chunk = Math.min(batch_size, Math.max(16, Math.floor(PRE_BYTES / 4 / width / 16) * 16))
      return { sizes, own: planShard(plan, sizes), pre_at: plan.take(chunk * width), chunk }
    })
    const memory = plan.allocate()
    this.#kernels = openKernels(memory, options.variant)
    const floats = (at: number, length: number) => new Float32Array(memory.buffer, at, length)
    this.partial = floats(partial, batch_size * d)
    this.#b = floats(b, d)
    this.#mean = floats(mean, d)
    this.#parts = planned.map(({ sizes, own, pre_at, chunk }) => {
      const view = new ShardView(memory, sizes, own, shared)
      view.set('bandwidth', options.bandwidth)
      view.set('beta2', options.beta2)
      view.set('adam_eps', options.adam_eps)
      view.set('dead_steps', options.dead_steps)
      view.set('pre_act_weight', options.pre_act_weight)
      const W = new Tensor('float32', view.arrays.W_enc, [sizes.width, d])
      const bias = new Tensor('float32', view.arrays.b_enc, [sizes.width])
      const chunks = Array.from({ length: Math.ceil(batch_size / chunk) }, (_, i) => {
        const first = i * chunk
        const m = Math.min(chunk, batch_size - first)
        const x = new Tensor('float32', floats(shared.x + first * d * 4, m * d), [m, d])
        const pre = new Tensor('float32', floats(pre_at, m * sizes.width), [m, sizes.width])
        return { first, m, feeds: { x, W, b: bias }, fetches: { pre } }
      })
      return { view, pre_at, chunks }
    })
    this.shards = this.#parts.map(({ view }) => view)
  }

  static async open(options: SliceOptions): Promise<SaeSlice> {
    const session = await InferenceSession.create(encoderGraph(padded(options.d_in)), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
    })
    return new SaeSlice(options, session)
  }

  close(): Promise<void> {
    return this.#session.release()
  }

  /** x = c raw - b_dec. @param raw [batch_size, d_in] @param b_dec [padded d] */
  load(raw: Float32Array, c: number, b_dec: Float32Array): void {
    const { d_in, batch_size } = this.options
    const x = this.#parts[0]!.view.arrays.x
    if (d_in === this.#d) x.set(raw)
    else
      for (let n = 0; n < batch_size; n++)
        x.set(raw.subarray(n * d_in, (n + 1) * d_in), n * this.#d)
    this.#b.set(b_dec)
    this.#kernels.centre(this.#at.x, c, this.#at.b, batch_size, this.#d)
  }

  /** Pre-activations of shard k, chunk by chunk; `use` reads [m, width] before the next chunk overwrites it. */
  async preActs(
    k: number,
    use: (first: number, m: number, pre: Float32Array) => void,
  ): Promise<void> {
    for (const { first, m, feeds, fetches } of this.#parts[k]!.chunks) {
      const start = performance.now()
      await this.#session.run(feeds, fetches)
      this.gemm_ms += performance.now() - start
      use(first, m, fetches.pre.data as Float32Array)
    }
  }

  /**
   * Encodes the batch with shard k and leaves its part of acts W_dec in `partial`.
   * @returns active entries.
   * @throws RangeError if more entries than memory was set aside for.
   */
  async forward(k: number): Promise<number> {
    const { view, pre_at } = this.#parts[k]!
    let nnz = 0
    await this.preActs(k, (first, m) => {
      nnz = this.#kernels.scan(view.block, pre_at, first, m, nnz)
      if (nnz < 0) {
        throw new RangeError(
          `train: more than ${view.sizes.capacity} activations in one batch of one shard; ` +
            'lower init_l0 or lr, or use smaller batches or more shards',
        )
      }
    })
    this.#kernels.decode(view.block, this.#at.partial)
    return view.get('n_active')
  }

  /** residual = recon - x = sum of the partial reconstructions - (c raw - b_dec), added in the order given. */
  setResidual(partials: readonly Float32Array[]): void {
    const { residual, partial, x } = this.#at
    const m = this.options.batch_size * this.#d
    this.#parts[0]!.view.arrays.residual.set(partials[0]!)
    for (const summand of partials.slice(1)) {
      this.partial.set(summand)
      this.#kernels.add(residual, partial, m)
    }
    this.#kernels.subtract(residual, x, m)
  }

  /** Mean of residual into `mean` [padded d]; returns the mean of its squared row norms. */
  residualMoments(mean: Float32Array): number {
    const squares = this.#kernels.moments(
      this.#at.residual,
      this.#at.mean,
      this.options.batch_size,
      this.#d,
    )
    mean.set(this.#mean)
    return squares
  }

  /** Mean over tokens of `||x - mean x||^2`. */
  variance(): number {
    const squares = this.#kernels.moments(
      this.#at.x,
      this.#at.mean,
      this.options.batch_size,
      this.#d,
    )
    return squares - this.#mean.reduce((sum, v) => sum + v * v, 0)
  }

  /** One optimiser step of shard k's latents; `arrays.g_b_dec` then holds the encoder's part of the gradient of b_dec. */
  update(k: number, step: StepScalars): void {
    const { view } = this.#parts[k]!
    view.set('lr', step.lr)
    view.set('lr_threshold', step.lr_threshold)
    view.set('sparsity_slope', step.sparsity_slope)
    view.set('v_scale', 1 / Math.sqrt(1 - this.options.beta2 ** step.t))
    if (this.options.pre_act_weight > 0) {
      this.#kernels.moments(this.#at.x, this.#at.mean, this.options.batch_size, this.#d)
      view.arrays.mean_x.set(this.#mean)
    }
    this.#kernels.transpose(view.block)
    this.#kernels.update(view.block)
  }

  /** Derived fields after weights were written from outside. */
  refresh(): void {
    for (const { view } of this.#parts) {
      const { low, threshold } = view.arrays
      for (let i = 0; i < low.length; i++)
        low[i] = threshold[i]! - Math.fround(this.options.bandwidth) / 2
    }
  }
}

/** pre [m, width] = x [m, d] W^T + b, W [width, d]. */
function encoderGraph(d: number): Uint8Array {
  const graph = onnxGraph('encoder')
  const x = graph.input('x', 'F32', ['m', d])
  const W = graph.input('W', 'F32', ['width', d])
  const b = graph.input('b', 'F32', ['width'])
  graph.output('pre', graph.node('Gemm', [x, W, b], { attributes: { transB: 1 } }), 'F32', [
    'm',
    'width',
  ])
  return graph.finish()
}
