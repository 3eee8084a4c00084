/** How the latents of an SAE are cut: into groups that reconstruct on their own, and into shards that threads own. */

/** Floats in a padded row of d. */
export const padded = (d: number): number => Math.ceil(d / 16) * 16

/** Latents `first .. first + width` of an SAE, all of one group. */
export type ShardRange = {
  readonly first: number
  readonly width: number
  readonly group: number
}

/** `n` borders of `total` cut into pieces as equal as can be: piece i is [border(i), border(i + 1)). */
const borderOf =
  (total: number, n: number) =>
  (i: number): number =>
    Math.floor((total * i) / n)

/**
 * Cuts an SAE into shards. Without groups they are as equal as can be; each group is cut on its own, into pieces no larger
 * than an equal share of the whole.
 * @param fractions shares of the groups; one group where absent.
 * @throws RangeError if a group would be empty.
 */
export function shardRanges(
  d_sae: number,
  n_shards: number,
  fractions: readonly number[] = [1],
): ShardRange[] {
  const total = fractions.reduce((sum, fraction) => sum + fraction, 0)
  const ranges: ShardRange[] = []
  let first = 0
  let share = 0
  for (const [group, fraction] of fractions.entries()) {
    share += fraction
    const end = group === fractions.length - 1 ? d_sae : Math.round((d_sae * share) / total)
    if (end <= first)
      throw new RangeError(
        `train: group ${group} of ${fractions.length} would hold none of ${d_sae} latents; give fewer or larger group_fractions`,
      )
    const n = Math.max(1, Math.ceil(((end - first) * n_shards) / d_sae))
    const border = borderOf(end - first, n)
    for (let i = 0; i < n; i++)
      ranges.push({ first: first + border(i), width: border(i + 1) - border(i), group })
    first = end
  }
  return ranges
}

/** The outputs whose skip weights shard i of n holds: [first, first + width) of d_out. */
export function outputRange(d_out: number, n: number, i: number): { first: number; width: number } {
  const border = borderOf(d_out, n)
  return { first: border(i), width: border(i + 1) - border(i) }
}

/**
 * Deals shards to threads, the widest first, each to the thread that has least; the first thread moves from SAE to SAE.
 * @returns the thread of every shard.
 */
export function dealShards(
  ranges: readonly ShardRange[],
  n_threads: number,
  first: number,
): number[] {
  const load = new Float64Array(n_threads)
  const owners = new Array<number>(ranges.length)
  const byWidth = ranges
    .map((_, i) => i)
    .sort((a, b) => ranges[b]!.width - ranges[a]!.width || a - b)
  for (const shard of byWidth) {
    let least = first % n_threads
    for (let i = 0; i < n_threads; i++) {
      const thread = (first + i) % n_threads
      if (load[thread]! < load[least]!) least = thread
    }
    owners[shard] = least
    load[least]! += ranges[shard]!.width
  }
  return owners
}
