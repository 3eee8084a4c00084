/** Memory of training, from the sizes of what is trained. */
import type { RunFacts } from './memory.ts'

/** Pre-activations that a thread holds at a time. */
const PRE_BYTES = 2 ** 20
/** Entries of a token that a batch makes room for, as a multiple of the dictionary's width: what first thresholds let through. */
const ENTRY_BYTES = 20

/**
 * Bytes of a training: the state of every latent, the arrays of a batch, the copy a checkpoint is written from.
 * Per latent four rows (two of weights, two of second moments); per thread and SAE three arrays of a batch; shared, two
 * slots of inputs and of partial reconstructions.
 */
export function trainingMemory(
  facts: Pick<RunFacts, 'saes' | 'sites' | 'batch_size' | 'threads' | 'skip' | 'shards'>,
): number {
  const { saes, sites, batch_size, threads } = facts
  const state = trainingState(facts)
  const widest = Math.max(...saes.map(({ d_in, d_out }) => padded(Math.max(d_in, d_out))))
  const shards = facts.shards ?? Math.max(...saes.map(({ d_sae }) => shardsOf(d_sae)))
  const n_threads = Math.min(threads, shards)
  const batch = 4 * batch_size * widest
  const per_slice = saes.length * n_threads * (3 * batch + PRE_BYTES)
  const entries = saes.length * batch_size * 64 * ENTRY_BYTES
  const inputs = 2 * 4 * batch_size * Object.values(sites).reduce((sum, d) => sum + d, 0)
  return 2 * state + per_slice + entries + inputs + 2 * shards * batch
}

/** Bytes of what a checkpoint holds: weights, second moments, and how long each latent has been silent. */
export function trainingState({ saes, skip }: Pick<RunFacts, 'saes' | 'skip'>): number {
  return saes.reduce((sum, { d_in, d_out, d_sae }) => {
    const rows = 8 * d_sae * (padded(d_in) + padded(d_out))
    return sum + rows + 20 * d_sae + (skip ? 8 * d_in * d_out : 0)
  }, 0)
}

const padded = (d: number): number => Math.ceil(d / 16) * 16

const shardsOf = (d_sae: number): number => Math.min(8, Math.max(2, Math.floor(d_sae / 1024)))
