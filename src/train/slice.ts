/**
 * The part of one SAE that one thread owns: some of its shards, in one WebAssembly memory, with the ONNX Runtime sessions
 * for their products. Knows nothing of threads; `engine.ts` and `shardWorker.ts` do.
 *
 * A step: `load` the batch; `select` each shard's entries and, where their number decides, `keep` those that the whole SAE
 * keeps; `decode` each shard; sum the partial reconstructions of all shards outside, `setResiduals`; `update` each shard.
 *
 * Entries told by thresholds are proposed by an 8-bit product and decided in f32 (`proposal.ts`); the k largest of a token,
 * dead latents, and what would be too many to propose come from the product in f32.
 *
 * Memory, per latent: four rows of floats (two weights, two second moments; gradients live in one row that all latents
 * share) and one of bytes. Per batch: arrays [batch_size, d], and room for every entry, of which only what is used becomes
 * real.
 */
import { Tensor } from '#onnxruntime'
import { ARCHITECTURES, type Architecture } from './architectures/index.ts'
import { type Kernels, openKernels } from './kernels/load.ts'
import { MemoryPlan, ShardView } from './kernels/shard.ts'
import { planSlice, type SliceOptions } from './layout.ts'
import { openSessions, runInto, type Sessions } from './products.ts'
import { MOST_PROPOSED, type ProposalChunk, proposalChunks } from './proposal.ts'
import { padded } from './ranges.ts'

/** Numbers of one step. */
export type StepScalars = {
  readonly lr: number
  readonly lr_threshold: number
  /** d sparsity loss / d l0. */
  readonly sparsity_slope: number
  /** d sparsity loss / d mean activation. */
  readonly activation_price: number
  /** Steps taken, this one included. */
  readonly t: number
}

type Chunk = {
  readonly first: number
  readonly m: number
  readonly feeds: Readonly<Record<string, Tensor>>
  readonly fetches: { readonly pre: Tensor }
}

/** Skip weights of one shard: `width` outputs. */
type SkipPart = {
  readonly first: number
  readonly width: number
  /** [width, d], second moments, gradient. */
  readonly W: Float32Array
  readonly v: Float32Array
  readonly g: Float32Array
  /** [n, width] */
  readonly columns: Float32Array
}

type ShardParts = {
  readonly view: ShardView
  readonly group: number
  readonly pre_at: number
  /** Tokens [first, first + m) of the batch with their ready-made inputs and outputs. */
  readonly chunks: readonly Chunk[]
  /** The same for the 8-bit product; none where entries cannot be proposed by their thresholds. */
  readonly proposals: readonly ProposalChunk[]
  readonly skip: SkipPart | undefined
}

export class SaeSlice {
  readonly options: SliceOptions
  readonly architecture: Architecture
  /** Owned shards, in the order of `owned`. */
  readonly shards: readonly ShardView[]
  readonly skips: readonly (SkipPart | undefined)[]
  /** [batch_size, padded d_out]: what `decode` leaves and `setResiduals` takes its summands through. */
  readonly partial: Float32Array
  /** [batch_size]: what an entry must reach to be kept; filled before `keep`. */
  readonly least: Float32Array
  /** Milliseconds in the encoder product so far. */
  gemm_ms = 0
  readonly #parts: readonly ShardParts[]
  readonly #kernels: Kernels
  readonly #sessions: Sessions
  readonly #views: Record<'x' | 'target' | 'b_in' | 'b_out' | 'mean' | 'residual_aux', Float32Array>
  /** Residual of every group that is needed here. */
  readonly #residuals: ReadonlyMap<number, Float32Array>
  readonly #n_groups: number

  private constructor(options: SliceOptions, sessions: Sessions) {
    const { batch_size: n, recipe, ranges, owned, transcoder, d_sae } = options
    const architecture = ARCHITECTURES[recipe.architecture]
    const [d, d_out] = [padded(options.d_in), padded(options.d_out)]
    this.options = options
    this.architecture = architecture
    this.#sessions = sessions
    this.#n_groups = ranges.at(-1)!.group + 1
    const plan = new MemoryPlan()
    const layout = planSlice(plan, options)
    const memory = plan.allocate()
    this.#kernels = openKernels(memory, options.variant)
    const floats = (at: number, length: number) => new Float32Array(memory.buffer, at, length)
    this.partial = floats(layout.partial, n * d_out)
    this.least = floats(layout.least, n)
    const { shared } = layout
    const x = floats(shared.x, n * d)
    this.#views = {
      x,
      target: transcoder ? floats(layout.target, n * d_out) : x,
      b_in: floats(layout.b_in, d),
      b_out: floats(layout.b_out, d_out),
      mean: floats(layout.mean, Math.max(d, d_out)),
      residual_aux: floats(shared.residual_aux, layout.has_aux ? n * d_out : 0),
    }
    this.#residuals = new Map(
      [...layout.residuals].map(([group, at]) => [group, floats(at, n * d_out)]),
    )
    this.#parts = layout.shards.map(({ sizes, own, pre_at, chunk, range, skip }) => {
      const residual = layout.residuals.get(range.group)!
      const view = new ShardView(memory, sizes, own, { ...shared, residual })
      view.set('is_gated', Number(architecture.gated))
      view.set('learns_threshold', Number(architecture.learns_threshold))
      view.set('input_bias', Number(!transcoder))
      view.set('bandwidth', recipe.bandwidth)
      view.set('beta2', recipe.beta2)
      view.set('adam_eps', recipe.adam_eps)
      view.set('dead_steps', Math.ceil(recipe.dead_window_tokens / n))
      view.set('pre_act_weight', architecture.learns_threshold ? recipe.pre_act_weight : 0)
      view.set('aux_weight', recipe.aux_weight)
      view.set('frequency_weight', recipe.frequency_weight)
      view.set('frequency_knee', recipe.frequency_knee)
      const W = new Tensor('float32', view.arrays.W_enc, [sizes.width, d])
      const b = new Tensor('float32', view.arrays.b_enc, [sizes.width])
      const chunks = Array.from({ length: Math.ceil(n / chunk) }, (_, i): Chunk => {
        const first = i * chunk
        const m = Math.min(chunk, n - first)
        const rows = new Tensor('float32', x.subarray(first * d, (first + m) * d), [m, d])
        const pre = new Tensor('float32', floats(pre_at, m * sizes.width), [m, sizes.width])
        return { first, m, feeds: { x: rows, W, b }, fetches: { pre } }
      })
      const { proposal } = sessions
      view.set('flip', proposal?.signed === false ? 128 : 0)
      const parts: ShardParts = {
        view,
        group: range.group,
        pre_at,
        chunks,
        proposals: proposal ? proposalChunks(view, proposal.signed, layout.sums) : [],
        skip: skip && {
          first: skip.first,
          width: skip.width,
          W: floats(skip.W, skip.width * d),
          v: floats(skip.v, skip.width * d),
          g: floats(skip.g, skip.width * d),
          columns: floats(skip.columns, skip.width * n),
        },
      }
      return parts
    })
    this.shards = this.#parts.map(({ view }) => view)
    this.skips = this.#parts.map(({ skip }) => skip)
    /** Dead latents a token of each shard: its share of aux_k. */
    this.#aux_k = owned.map((i) => Math.ceil((recipe.aux_k * ranges[i]!.width) / d_sae))
  }

  readonly #aux_k: readonly number[]

  static async open(options: SliceOptions): Promise<SaeSlice> {
    const sessions = await openSessions(options)
    return new SaeSlice(options, sessions)
  }

  async close(): Promise<void> {
    await this.#sessions.encoder.release()
    await this.#sessions.proposal?.session.release()
    await this.#sessions.outer?.release()
  }

  /**
   * `x = c raw - b_dec`; a transcoder's input keeps its mean, and its target is `c raw_out - b_dec`.
   * @param raw [batch_size, d_in] @param raw_out [batch_size, d_out], the same array for an SAE @param b_dec [padded d_out]
   */
  load(raw: Float32Array, raw_out: Float32Array, c: number, b_dec: Float32Array): void {
    const { d_in, d_out, batch_size, transcoder } = this.options
    const { x, target, b_in, b_out } = this.#views
    copyRows(raw, d_in, x, padded(d_in))
    if (!transcoder) b_in.set(b_dec)
    this.#kernels.centre(x.byteOffset, c, b_in.byteOffset, batch_size, padded(d_in))
    if (this.#sessions.proposal) this.#kernels.roundInputs(this.#parts[0]!.view.block)
    if (!transcoder) return
    copyRows(raw_out, d_out, target, padded(d_out))
    b_out.set(b_dec)
    this.#kernels.centre(target.byteOffset, c, b_out.byteOffset, batch_size, padded(d_out))
  }

  /** Pre-activations of shard k, chunk by chunk; `use` reads [m, width] before the next chunk overwrites it. */
  async preActs(
    k: number,
    use: (first: number, m: number, pre: Float32Array) => void,
  ): Promise<void> {
    for (const { first, m, feeds, fetches } of this.#parts[k]!.chunks) {
      const start = performance.now()
      await runInto(this.#sessions.encoder, feeds, fetches)
      this.gemm_ms += performance.now() - start
      use(first, m, fetches.pre.data as Float32Array)
    }
  }

  /**
   * Encodes the batch with shard k and gathers what may be active: what is above its threshold, the k largest of each token
   * in this shard, or, of a batch, what is above `guess`.
   * @param aux also gather the dead latents' entries.
   * @throws RangeError if more entries than memory was set aside for.
   */
  async select(k: number, options: { guess: number; aux: boolean }): Promise<void> {
    const { view, pre_at } = this.#parts[k]!
    const { block, arrays, sizes } = view
    const { selection, gated } = this.architecture
    const k_top = Math.round(this.options.l0)
    if (selection === 'batch') arrays.low.fill(options.guess)
    if (gated) for (let i = 0; i < sizes.width; i++) arrays.e_mag[i] = Math.exp(arrays.r_mag[i]!)
    view.set('has_aux', Number(options.aux))
    if (options.aux) listDead(view)
    else if (await this.#propose(k)) return
    let [nnz, n_aux] = [0, 0]
    await this.preActs(k, (first, m) => {
      nnz =
        selection === 'token'
          ? this.#kernels.scanTop(block, pre_at, first, m, nnz, k_top)
          : this.#kernels.scan(block, pre_at, first, m, nnz)
      if (nnz < 0) {
        throw new RangeError(
          `train: more than ${sizes.capacity} activations in one batch of one shard; ` +
            'lower init_l0 or lr, or use smaller batches or more shards',
        )
      }
      if (options.aux)
        n_aux = this.#kernels.scanDead(block, pre_at, first, m, n_aux, this.#aux_k[k]!)
    })
  }

  /**
   * Gathers the entries of shard k by the 8-bit product.
   * @returns false, having done nothing, where there is none or it would propose so many that the product in f32 costs less.
   */
  async #propose(k: number): Promise<boolean> {
    const { view, proposals } = this.#parts[k]!
    if (proposals.length === 0) return false
    this.#kernels.roundLatents(view.block)
    let nnz = 0
    for (const { first, m, feeds, fetches } of proposals) {
      const start = performance.now()
      await runInto(this.#sessions.proposal!.session, feeds, fetches)
      this.gemm_ms += performance.now() - start
      const sums = fetches.sums.data as Int32Array
      const proposed = this.#kernels.propose(view.block, sums.byteOffset, first, m, nnz)
      if (proposed < 0 || proposed - nnz > MOST_PROPOSED * m * view.sizes.width) return false
      nnz = this.#kernels.decide(view.block, first, m)
    }
    return true
  }

  /** Drops the entries of shard k that do not reach `least`. */
  keep(k: number): void {
    this.#kernels.filter(this.#parts[k]!.view.block, this.least.byteOffset)
  }

  /** Leaves shard k's part of acts W_dec in `partial`. @returns active entries and, where they are paid for, their sum. */
  decode(k: number): { n_active: number; paid: number } {
    const { view } = this.#parts[k]!
    if (this.architecture.gated) this.#kernels.magnitudes(view.block)
    this.#kernels.decode(view.block, this.partial.byteOffset)
    return { n_active: view.get('n_active'), paid: view.get('paid') }
  }

  /** Leaves shard k's part of the auxiliary reconstruction in `partial`. @returns sum of its activations. */
  decodeAux(k: number): number {
    const { view } = this.#parts[k]!
    this.#kernels.decodeAux(view.block, this.partial.byteOffset)
    return view.get('paid')
  }

  /** Writes shard k's outputs of the skip `x W_skip` into their columns of out [batch_size, padded d_out]. */
  async skipForward(k: number, out: Float32Array): Promise<void> {
    const { skip } = this.#parts[k]!
    if (!skip) return
    const { batch_size: n, d_in, d_out } = this.options
    const [d, stride] = [padded(d_in), padded(d_out)]
    await runInto(
      this.#sessions.encoder,
      {
        x: new Tensor('float32', this.#views.x, [n, d]),
        W: new Tensor('float32', skip.W, [skip.width, d]),
        b: new Tensor('float32', new Float32Array(skip.width), [skip.width]),
      },
      { pre: new Tensor('float32', skip.columns, [n, skip.width]) },
    )
    for (let row = 0; row < n; row++)
      out.set(
        skip.columns.subarray(row * skip.width, (row + 1) * skip.width),
        row * stride + skip.first,
      )
  }

  /**
   * The residual of every group g needed here: the sum over prefixes j >= g of `recon_j - target`, that is
   * `sum_s (G - max(g, group(s))) partial_s - (G - g) (target - skip)`, added in the order of the shards. With one group
   * this is `recon - target`.
   * @param partials of all shards of the SAE.
   */
  setResiduals(partials: readonly Float32Array[], skip?: Float32Array): void {
    const { batch_size, d_out, ranges } = this.options
    const m = batch_size * padded(d_out)
    const G = this.#n_groups
    const { target } = this.#views
    const add = (y: Float32Array, c: number, x: Float32Array) =>
      this.#kernels.accumulate(y.byteOffset, c, x.byteOffset, m)
    if (skip) {
      this.partial.set(skip)
      add(target, -1, this.partial)
    }
    for (const [s, summand] of partials.entries()) {
      this.partial.set(summand)
      for (const [g, residual] of this.#residuals) {
        const weight = G - Math.max(g, ranges[s]!.group)
        if (s === 0 && weight === 1) residual.set(this.partial)
        else {
          if (s === 0) residual.fill(0)
          add(residual, weight, this.partial)
        }
      }
    }
    for (const [g, residual] of this.#residuals) add(residual, g - G, target)
  }

  /** The auxiliary residual: gated, `recon_aux - target`; AuxK, `recon_aux - (target - recon)`. */
  setAuxResidual(partials: readonly Float32Array[]): void {
    const { residual_aux, target } = this.#views
    const m = residual_aux.length
    const add = (c: number, x: Float32Array) =>
      this.#kernels.accumulate(residual_aux.byteOffset, c, x.byteOffset, m)
    residual_aux.fill(0)
    for (const summand of partials) {
      this.partial.set(summand)
      add(1, this.partial)
    }
    if (this.architecture.gated) add(-1, target)
    else add(1, this.#residuals.get(this.#n_groups - 1)!)
  }

  /** Means of the residual that b_dec and the skip see, into `mean` [padded d_out]; returns the mean of `||recon - target||^2`. */
  residualMoments(mean: Float32Array): number {
    const final = this.#moments(this.#residuals.get(this.#n_groups - 1)!)
    if (this.#n_groups > 1) this.#moments(this.#residuals.get(0)!)
    mean.set(this.#views.mean.subarray(0, mean.length))
    return final
  }

  /** Mean of the squared norm of the auxiliary residual. */
  auxLoss(): number {
    return this.#moments(this.#views.residual_aux)
  }

  /** Mean over tokens of `||target - mean target||^2`; before a skip is taken off it. */
  variance(): number {
    const { target, mean } = this.#views
    const squares = this.#moments(target)
    const d = padded(this.options.d_out)
    return squares - mean.subarray(0, d).reduce((sum, v) => sum + v * v, 0)
  }

  /** One optimiser step of shard k; `arrays.g_b_dec` then holds the encoder's part of the gradient of b_dec. */
  async update(k: number, step: StepScalars): Promise<void> {
    const { view, skip } = this.#parts[k]!
    const { batch_size: n, d_in, recipe } = this.options
    view.set('lr', step.lr)
    view.set('lr_threshold', step.lr_threshold)
    view.set('sparsity_slope', step.sparsity_slope)
    view.set('activation_price', step.activation_price)
    view.set('v_scale', 1 / Math.sqrt(1 - recipe.beta2 ** step.t))
    if (view.get('pre_act_weight') > 0) {
      const { x, mean } = this.#views
      this.#kernels.moments(x.byteOffset, mean.byteOffset, n, padded(d_in))
      view.arrays.mean_x.set(mean.subarray(0, padded(d_in)))
    }
    this.#kernels.transpose(view.block)
    this.#kernels.update(view.block)
    if (skip) await this.#updateSkip(view, skip)
  }

  /** Derived fields after weights were written from outside. */
  refresh(): void {
    const { recipe } = this.options
    for (const { view } of this.#parts) {
      const { low, threshold } = view.arrays
      const below = this.architecture.learns_threshold ? Math.fround(recipe.bandwidth) / 2 : 0
      for (let i = 0; i < low.length; i++) low[i] = threshold[i]! - below
    }
  }

  /** `g = 2 / n residual^T x`, for the outputs of this shard, then Adam. */
  async #updateSkip(view: ShardView, skip: SkipPart): Promise<void> {
    const { batch_size: n, d_in, d_out } = this.options
    const [d, stride] = [padded(d_in), padded(d_out)]
    const residual = this.#residuals.get(0)!
    for (let row = 0; row < n; row++)
      for (let o = 0; o < skip.width; o++)
        skip.columns[row * skip.width + o] = (2 / n) * residual[row * stride + skip.first + o]!
    await runInto(
      this.#sessions.outer!,
      {
        a: new Tensor('float32', skip.columns, [n, skip.width]),
        x: new Tensor('float32', this.#views.x, [n, d]),
      },
      { g: new Tensor('float32', skip.g, [skip.width, d]) },
    )
    const { W, v, g } = skip
    this.#kernels.adamArray(view.block, W.byteOffset, v.byteOffset, g.byteOffset, W.length)
  }

  #moments(rows: Float32Array): number {
    const { batch_size } = this.options
    const { mean } = this.#views
    return this.#kernels.moments(
      rows.byteOffset,
      mean.byteOffset,
      batch_size,
      rows.length / batch_size,
    )
  }
}

/** Lists the latents of a shard that have been silent for the dead window. */
function listDead(view: ShardView): void {
  const { silent, dead } = view.arrays
  const dead_steps = view.get('dead_steps')
  let n_listed = 0
  for (let i = 0; i < silent.length; i++) if (silent[i]! >= dead_steps) dead[n_listed++] = i
  view.set('n_listed', n_listed)
}

/** Rows [n, d] into rows of `stride` floats; what lies between stays. */
function copyRows(from: Float32Array, d: number, to: Float32Array, stride: number): void {
  if (d === stride) to.set(from)
  else
    for (let n = 0; n * d < from.length; n++) to.set(from.subarray(n * d, (n + 1) * d), n * stride)
}
