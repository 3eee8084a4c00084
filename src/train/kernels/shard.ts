/**
 * A shard of one SAE in WebAssembly memory: the block of fields that the kernels read, the arrays it points to, and the
 * plain object on which the readable twins work. Rows are padded with zeros to a multiple of 16 floats.
 */

/** Fields of the block in the order of assembly/shard.ts, four bytes each. */
const SHARD_FIELDS = [
  ...['d', 'd_out', 'width', 'n', 'capacity', 'aux_capacity'],
  ...['W_enc', 'W_dec', 'v_enc', 'v_dec', 'b_enc', 'v_b_enc', 'threshold', 'v_threshold', 'low'],
  ...['silent', 'r_mag', 'v_r_mag', 'b_mag', 'v_b_mag', 'e_mag', 'dead', 'scratch'],
  ...['x', 'residual', 'residual_aux', 'mean_x'],
  ...['row_start', 'index', 'value', 'gate', 'col_start', 'token', 'col_value', 'col_gate'],
  ...['aux_row_start', 'aux_index', 'aux_value', 'aux_col_start', 'aux_token', 'aux_col_value'],
  ...['W_8', 'unit', 'cut', 'norm_8', 'error_8', 'x_8', 'x_unit', 'x_error', 'x_norm'],
  ...['g_enc', 'g_dec', 'g_b_dec'],
  ...['is_gated', 'learns_threshold', 'input_bias', 'has_aux', 'flip', 'dead_steps', 'n_listed'],
  ...['n_active', 'n_dead', 'touched'],
  ...['paid', 'g_u', 'g_b_enc', 'g_threshold', 'g_r_mag', 'g_b_mag'],
  ...['bandwidth', 'sparsity_slope', 'activation_price', 'frequency_weight', 'frequency_knee'],
  ...['pre_act_weight', 'aux_weight', 'lr', 'lr_threshold', 'beta2', 'v_scale', 'adam_eps'],
] as const

/** Sizes of a shard. */
export type ShardSizes = {
  /** Floats in a padded row of the input. */
  readonly d: number
  /** Floats in a padded row of the target. */
  readonly d_out: number
  /** Latents. */
  readonly width: number
  /** Tokens in a batch. */
  readonly n: number
  /** Entries (latents that are kept for a token) that one batch may have. */
  readonly capacity: number
  /** Entries of dead latents; 0 where the architecture has no AuxK. */
  readonly aux_capacity: number
  /** Latents with a magnitude of their own: `width` where gated, else 0. */
  readonly gated_width: number
  /** Latents whose entries are proposed by the 8-bit product: `width`, or 0 where the product is in f32. */
  readonly rounded_width: number
}

const INT_SCALARS = [
  ...(['is_gated', 'learns_threshold', 'input_bias', 'has_aux', 'flip'] as const),
  ...(['dead_steps', 'n_listed', 'n_active', 'n_dead', 'touched'] as const),
] as const
const FLOAT_SCALARS = [
  ...(['paid', 'g_u', 'g_b_enc', 'g_threshold', 'g_r_mag', 'g_b_mag'] as const),
  ...(['bandwidth', 'sparsity_slope', 'activation_price', 'frequency_weight'] as const),
  ...(['frequency_knee', 'pre_act_weight', 'aux_weight', 'lr', 'lr_threshold'] as const),
  ...(['beta2', 'v_scale', 'adam_eps'] as const),
] as const
type ScalarName = (typeof INT_SCALARS)[number] | (typeof FLOAT_SCALARS)[number]

/** Numbers of the block that change from step to step, or come out of a kernel; flags are 0 or 1. */
export type ShardScalars = Record<ScalarName, number>

const FLOAT_ARRAYS = {
  W_enc: (s: ShardSizes) => s.width * s.d,
  W_dec: (s: ShardSizes) => s.width * s.d_out,
  v_enc: (s: ShardSizes) => s.width * s.d,
  v_dec: (s: ShardSizes) => s.width * s.d_out,
  b_enc: (s: ShardSizes) => s.width,
  v_b_enc: (s: ShardSizes) => s.width,
  threshold: (s: ShardSizes) => s.width,
  v_threshold: (s: ShardSizes) => s.width,
  low: (s: ShardSizes) => s.width,
  r_mag: (s: ShardSizes) => s.gated_width,
  v_r_mag: (s: ShardSizes) => s.gated_width,
  b_mag: (s: ShardSizes) => s.gated_width,
  v_b_mag: (s: ShardSizes) => s.gated_width,
  e_mag: (s: ShardSizes) => s.gated_width,
  scratch: (s: ShardSizes) => s.width,
  unit: (s: ShardSizes) => s.rounded_width,
  cut: (s: ShardSizes) => s.rounded_width,
  norm_8: (s: ShardSizes) => s.rounded_width,
  error_8: (s: ShardSizes) => s.rounded_width,
  g_b_dec: (s: ShardSizes) => s.d,
  value: (s: ShardSizes) => s.capacity,
  col_value: (s: ShardSizes) => s.capacity,
  gate: (s: ShardSizes) => (s.gated_width > 0 ? s.capacity : 0),
  col_gate: (s: ShardSizes) => (s.gated_width > 0 ? s.capacity : 0),
  aux_value: (s: ShardSizes) => s.aux_capacity,
  aux_col_value: (s: ShardSizes) => s.aux_capacity,
}
const INT_ARRAYS = {
  W_8: (s: ShardSizes) => (s.rounded_width * s.d) / 4,
  silent: (s: ShardSizes) => s.width,
  dead: (s: ShardSizes) => s.width,
  row_start: (s: ShardSizes) => s.n + 1,
  col_start: (s: ShardSizes) => s.width + 2,
  index: (s: ShardSizes) => s.capacity,
  token: (s: ShardSizes) => s.capacity,
  aux_row_start: (s: ShardSizes) => s.n + 1,
  aux_col_start: (s: ShardSizes) => s.width + 2,
  aux_index: (s: ShardSizes) => s.aux_capacity,
  aux_token: (s: ShardSizes) => s.aux_capacity,
}
/** Arrays that all shards of an SAE on one thread have in common; residuals may differ from group to group. */
const SHARED_FLOATS = {
  x: (s: ShardSizes) => s.n * s.d,
  residual: (s: ShardSizes) => s.n * s.d_out,
  residual_aux: (s: ShardSizes) => (s.gated_width + s.aux_capacity > 0 ? s.n * s.d_out : 0),
  mean_x: (s: ShardSizes) => s.d,
  x_unit: (s: ShardSizes) => (s.rounded_width > 0 ? s.n : 0),
  x_error: (s: ShardSizes) => (s.rounded_width > 0 ? s.n : 0),
  x_norm: (s: ShardSizes) => (s.rounded_width > 0 ? s.n : 0),
  g_enc: (s: ShardSizes) => s.d,
  g_dec: (s: ShardSizes) => s.d_out,
}

const SHARED_BYTES = {
  x_8: (s: ShardSizes) => (s.rounded_width > 0 ? (s.n * s.d) / 4 : 0),
}
const SHARED_ARRAYS = { ...SHARED_FLOATS, ...SHARED_BYTES }

export type ShardArrays = Record<
  keyof typeof FLOAT_ARRAYS | keyof typeof SHARED_FLOATS,
  Float32Array
> &
  Record<keyof typeof INT_ARRAYS | keyof typeof SHARED_BYTES, Int32Array>

/** A shard as plain data: what the twins take. Names and shapes as in assembly/shard.ts. */
export type PlainShard = ShardSizes & ShardScalars & ShardArrays

/** Hands out aligned ranges of a memory that does not exist yet. */
export class MemoryPlan {
  /** Bytes planned so far; the first page stays free for the module. */
  size_bytes = 65_536

  take(n_elements: number): number {
    const at = this.size_bytes
    this.size_bytes += Math.ceil((n_elements * 4) / 64) * 64
    return at
  }

  /** @throws RangeError if the plan exceeds what 32-bit addresses reach. */
  allocate(): WebAssembly.Memory {
    const pages = Math.ceil(this.size_bytes / 65_536)
    if (pages > 65_536) {
      throw new RangeError(
        `train: one thread's part of an SAE needs ${(this.size_bytes / 2 ** 30).toFixed(1)} GiB, WebAssembly memory holds 4; ` +
          'use more threads and shards, or smaller batches',
      )
    }
    return new WebAssembly.Memory({ initial: pages, maximum: pages })
  }
}

export type SharedAddresses = Record<keyof typeof SHARED_ARRAYS, number>

/** Plans the arrays that shards have in common. */
export function planShared(plan: MemoryPlan, sizes: ShardSizes): SharedAddresses {
  const at: Partial<Record<keyof typeof SHARED_ARRAYS, number>> = {}
  for (const [name, count] of entries(SHARED_ARRAYS)) at[name] = plan.take(count(sizes))
  return at as SharedAddresses
}

type ArrayName = keyof typeof FLOAT_ARRAYS | keyof typeof INT_ARRAYS
export type ShardAddresses = { readonly block: number } & Readonly<Record<ArrayName, number>>

/** Plans a shard's own arrays and its block. */
export function planShard(plan: MemoryPlan, sizes: ShardSizes): ShardAddresses {
  const at: Record<string, number> = { block: plan.take(SHARD_FIELDS.length) }
  for (const [name, count] of entries(FLOAT_ARRAYS)) at[name] = plan.take(count(sizes))
  for (const [name, count] of entries(INT_ARRAYS)) at[name] = plan.take(count(sizes))
  return at as ShardAddresses
}

/** A shard that lives in memory: views of its arrays and access to the numbers of its block. */
export class ShardView {
  /** Address of the block, the first argument of every kernel. */
  readonly block: number
  readonly sizes: ShardSizes
  readonly arrays: ShardArrays
  readonly #ints: Int32Array
  readonly #floats: Float32Array

  constructor(
    memory: WebAssembly.Memory,
    sizes: ShardSizes,
    own: ShardAddresses,
    shared: SharedAddresses,
  ) {
    this.block = own.block
    this.sizes = sizes
    this.#ints = new Int32Array(memory.buffer, own.block, SHARD_FIELDS.length)
    this.#floats = new Float32Array(memory.buffer, own.block, SHARD_FIELDS.length)
    const addresses: Readonly<Record<string, number>> = { ...sizes, ...own, ...shared }
    for (const [i, name] of SHARD_FIELDS.entries()) {
      const value = addresses[name]
      if (value !== undefined) this.#ints[i] = value
    }
    const arrays: Record<string, Float32Array | Int32Array> = {}
    for (const [name, count] of entries({ ...FLOAT_ARRAYS, ...SHARED_FLOATS })) {
      arrays[name] = new Float32Array(memory.buffer, addresses[name]!, count(sizes))
    }
    for (const [name, count] of entries({ ...INT_ARRAYS, ...SHARED_BYTES })) {
      arrays[name] = new Int32Array(memory.buffer, addresses[name]!, count(sizes))
    }
    this.arrays = arrays as ShardArrays
  }

  set(name: ScalarName, value: number): void {
    ;(isInt(name) ? this.#ints : this.#floats)[SHARD_FIELDS.indexOf(name)] = value
  }

  get(name: ScalarName): number {
    return (isInt(name) ? this.#ints : this.#floats)[SHARD_FIELDS.indexOf(name)]!
  }
}

const isInt = (name: ScalarName): boolean => (INT_SCALARS as readonly ScalarName[]).includes(name)

function entries<K extends string, V>(table: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(table) as [K, V][]
}
