/** Passes on an accelerator, taken only where they agree with the CPU. */

import type { ModelWeights } from './architecture.ts'
import { padBatch } from './batch.ts'
import type { Checkpoint } from './checkpoint.ts'
import { runForward } from './forward.ts'
import type { Backend } from './graphSession.ts'
import { hookNames } from './hooks.ts'
import { type Network, openNetwork } from './network.ts'
import { openStreamedStore } from './streamedWeights.ts'
import type { ModelConfig } from './types.ts'

/** `auto` takes the first that works here and agrees with the CPU. */
export const BACKENDS = ['cpu', 'webgpu', 'cuda', 'auto'] as const
export type BackendChoice = (typeof BACKENDS)[number]

type Accelerator = Exclude<Backend, 'cpu'>
type Opened = { readonly network: Network; readonly backend: Backend }

/** Tried in this order. */
const ACCELERATORS: readonly Accelerator[] = ['cuda', 'webgpu']
/** Largest difference of logits from the CPU's, of their largest magnitude: other orders of summation, and fast exponentials. */
const TOLERANCE = 1e-3
/** Tokens of the input that both run. */
const CHECK_TOKENS = 24

/**
 * Opens a network on the backend asked for, after a pass of a fixed input through it and through the CPU.
 * @returns undefined where `auto` finds no accelerator that works; the reasons go to `onRefusal`.
 * @throws Error where the one asked for does not work here, or does not agree with the CPU.
 */
export async function openAccelerated(
  config: ModelConfig,
  weights: ModelWeights,
  checkpoint: Checkpoint,
  choice: Exclude<BackendChoice, 'cpu'>,
  threads: number,
): Promise<Opened | undefined> {
  for (const backend of choice === 'auto' ? ACCELERATORS : [choice]) {
    try {
      const network = await openChecked(config, weights, checkpoint, backend, threads)
      return { network, backend }
    } catch (error) {
      if (choice !== 'auto') throw error
    }
  }
  return undefined
}

async function openChecked(
  config: ModelConfig,
  weights: ModelWeights,
  checkpoint: Checkpoint,
  backend: Accelerator,
  threads: number,
): Promise<Network> {
  const store = await openStreamedStore(checkpoint, weights)
  let network: Network
  try {
    network = await openNetwork(config, weights, store, { threads, backend })
  } catch (cause) {
    throw new Error(
      `backend: ${backend} does not work here (${firstLine(cause)}). Use --backend cpu${backend === 'cuda' ? ', or install CUDA and cuDNN' : ', or install a Vulkan, Metal or Direct3D driver'}.`,
      { cause },
    )
  }
  const reference = await openNetwork(config, weights, store, { threads })
  try {
    const [found, expected] = [await fixedPass(network), await fixedPass(reference)]
    const apart = largestDifference(found, expected)
    if (apart <= TOLERANCE) return network
    throw new Error(
      `backend: ${backend} computes other numbers than the CPU: logits of a fixed input differ by ${apart.toExponential(1)} of the largest, expected at most ${TOLERANCE}. It is not used; use --backend cpu, or update its driver.`,
    )
  } catch (error) {
    await network.close()
    throw error
  } finally {
    await reference.close()
  }
}

/** Logits of a fixed text of ids over the whole vocabulary. */
async function fixedPass(network: Network): Promise<Float32Array> {
  const { config } = network
  const length = Math.min(CHECK_TOKENS, config.n_ctx)
  const ids = Int32Array.from({ length }, (_, i) => (i * 7919 + 2) % config.d_vocab)
  const sites = hookNames(config)
  const { logits } = await runForward(network, sites, padBatch([ids]), { logits: true })
  return logits!
}

function largestDifference(found: Float32Array, expected: Float32Array): number {
  let [apart, largest] = [0, 0]
  for (const [i, value] of expected.entries()) {
    const difference = Math.abs(found[i]! - value)
    if (!(difference <= apart)) apart = difference
    largest = Math.max(largest, Math.abs(value))
  }
  return apart / largest
}

const firstLine = (cause: unknown): string =>
  String(cause instanceof Error ? cause.message : cause)
    .split('\n')[0]!
    .trim()
