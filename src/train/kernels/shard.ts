/**
 * A shard of one SAE in WebAssembly memory: the block of fields that the kernels read, the arrays it points to, and the
 * plain object on which the readable twins work. Rows are padded with zeros to a multiple of 16 floats.
 */

/** Fields of the block in the order of assembly/shard.ts, four bytes each. */
const SHARD_FIELDS = [
  ...['d', 'width', 'n', 'capacity'],
  ...['W_enc', 'W_dec', 'v_enc', 'v_dec', 'b_enc', 'v_b_enc', 'threshold', 'v_threshold', 'low'],
  ...['silent', 'x', 'residual', 'mean_x', 'row_start', 'index', 'value', 'col_start', 'token'],
  ...['col_value', 'g_enc', 'g_dec', 'g_b_dec', 'dead_steps', 'n_active', 'n_dead'],
  ...['g_b_enc', 'g_threshold', 'bandwidth', 'sparsity_slope', 'pre_act_weight'],
  ...['lr', 'lr_threshold', 'beta2', 'v_scale', 'adam_eps'],
] as const

/** Sizes of a shard. */
export type ShardSizes = {
  /** Floats in a padded row. */
  readonly d: number
  /** Latents. */
  readonly width: number
  /** Tokens in a batch. */
  readonly n: number
  /** Entries (latents above or just below their threshold) that one batch may have. */
  readonly capacity: number
}

/** Integers and floats of the block that change from step to step, or come out of a kernel. */
export type ShardScalars = {
  dead_steps: number
  n_active: number
  n_dead: number
  g_b_enc: number
  g_threshold: number
  bandwidth: number
  sparsity_slope: number
  pre_act_weight: number
  lr: number
  lr_threshold: number
  beta2: number
  v_scale: number
  adam_eps: number
}
const INT_SCALARS: ReadonlySet<string> = new Set(['dead_steps', 'n_active', 'n_dead'])

const FLOAT_ARRAYS = {
  W_enc: (s: ShardSizes) => s.width * s.d,
  W_dec: (s: ShardSizes) => s.width * s.d,
  v_enc: (s: ShardSizes) => s.width * s.d,
  v_dec: (s: ShardSizes) => s.width * s.d,
  b_enc: (s: ShardSizes) => s.width,
  v_b_enc: (s: ShardSizes) => s.width,
  threshold: (s: ShardSizes) => s.width,
  v_threshold: (s: ShardSizes) => s.width,
  low: (s: ShardSizes) => s.width,
  g_b_dec: (s: ShardSizes) => s.d,
  value: (s: ShardSizes) => s.capacity,
  col_value: (s: ShardSizes) => s.capacity,
}
const INT_ARRAYS = {
  silent: (s: ShardSizes) => s.width,
  row_start: (s: ShardSizes) => s.n + 1,
  col_start: (s: ShardSizes) => s.width + 2,
  index: (s: ShardSizes) => s.capacity,
  token: (s: ShardSizes) => s.capacity,
}
/** Arrays that all shards of an SAE on one thread have in common. */
const SHARED_ARRAYS = {
  x: (s: ShardSizes) => s.n * s.d,
  residual: (s: ShardSizes) => s.n * s.d,
  mean_x: (s: ShardSizes) => s.d,
  g_enc: (s: ShardSizes) => s.d,
  g_dec: (s: ShardSizes) => s.d,
}

export type ShardArrays = Record<
  keyof typeof FLOAT_ARRAYS | keyof typeof SHARED_ARRAYS,
  Float32Array
> &
  Record<keyof typeof INT_ARRAYS, Int32Array>

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
    for (const [name, count] of entries({ ...FLOAT_ARRAYS, ...SHARED_ARRAYS })) {
      arrays[name] = new Float32Array(memory.buffer, addresses[name]!, count(sizes))
    }
    for (const [name, count] of entries(INT_ARRAYS)) {
      arrays[name] = new Int32Array(memory.buffer, addresses[name]!, count(sizes))
    }
    this.arrays = arrays as ShardArrays
  }

  set(name: keyof ShardScalars, value: number): void {
    ;(INT_SCALARS.has(name) ? this.#ints : this.#floats)[SHARD_FIELDS.indexOf(name)] = value
  }

  get(name: keyof ShardScalars): number {
    return (INT_SCALARS.has(name) ? this.#ints : this.#floats)[SHARD_FIELDS.indexOf(name)]!
  }
}

function entries<K extends string, V>(table: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(table) as [K, V][]
}
