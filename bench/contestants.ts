/** What the benches of training run: one SAE's engine on random inputs, and ONNX Runtime's bare product. */
import { availableParallelism } from 'node:os'
import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../src/formats/index.ts'
import { Engine } from '../src/train/engine.ts'
import type { RecipeInput, TrainOptions } from '../src/train/index.ts'
import { latentRandom } from '../src/train/initialise.ts'
import { planRun } from '../src/train/plan.ts'
import { runInto } from '../src/train/products.ts'

/** Tokens x inputs and latents of a training step. */
export type Shape = {
  readonly d_in: number
  readonly d_sae: number
  /** Active latents a token at the start. */
  readonly l0: number
  readonly batch_size: number
}

/** Uniform rows [n, d_in] of unit mean square norm. */
export function randomRows(n: number, d_in: number): Float32Array {
  const random = latentRandom(1, n, d_in)
  const scale = Math.sqrt(12 / d_in)
  return Float32Array.from({ length: n * d_in }, () => (random() - 0.5) * scale)
}

const N_STEPS = 1000

/** A run of `n_saes` SAEs on one site; their targets differ by one each, since no two may be alike. */
export function runOptions(
  { d_in, d_sae, l0, batch_size }: Shape,
  input: RecipeInput = {},
  n_saes = 1,
): TrainOptions {
  const hook = 'blocks.0.hook_resid_post'
  return {
    source: {
      ...({ hooks: [hook], n_tokens: batch_size, hash: '' } as const),
      width: () => d_in,
      norm: () => 1,
      batches: () => {
        throw new Error('runOptions: its batches are put by hand')
      },
    },
    ...{ batch_size, seed: 1, out: '', n_tokens: N_STEPS * batch_size },
    saes: Array.from({ length: n_saes }, (_, i) => ({ hook, d_sae, l0: l0 + i }) as const),
    recipe: { init_l0: 1, ...input },
  }
}

/** An engine at initial weights, whose site has the activations `x`. */
export function startEngine(options: TrainOptions, x: Float32Array): Promise<Engine> {
  return Engine.start(planRun(options, N_STEPS), [x])
}

/** ONNX Runtime's Gemm of the encoder's shape with all cores: [batch_size, d_in] x [d_sae, d_in]^T + [d_sae]. */
export class BareProduct {
  readonly #session: InferenceSession
  readonly #feeds: Record<string, Tensor>
  readonly #fetches: Record<string, Tensor>

  private constructor(
    session: InferenceSession,
    { d_in, d_sae, batch_size }: Shape,
    x: Float32Array,
  ) {
    this.#session = session
    const random = latentRandom(2, d_sae, d_in)
    const W = Float32Array.from({ length: d_sae * d_in }, () => random() - 0.5)
    this.#feeds = {
      x: new Tensor('float32', x, [batch_size, d_in]),
      W: new Tensor('float32', W, [d_sae, d_in]),
      b: new Tensor('float32', new Float32Array(d_sae), [d_sae]),
    }
    const shape = [batch_size, d_sae]
    this.#fetches = { y: new Tensor('float32', new Float32Array(batch_size * d_sae), shape) }
  }

  static async open(shape: Shape, x: Float32Array): Promise<BareProduct> {
    const graph = onnxGraph('bare')
    const inputs = [
      graph.input('x', 'F32', ['m', 'd']),
      graph.input('W', 'F32', ['width', 'd']),
      graph.input('b', 'F32', ['width']),
    ]
    const y = graph.node('Gemm', inputs, { attributes: { transB: 1 } })
    graph.output('y', y, 'F32', ['m', 'width'])
    const session = await InferenceSession.create(graph.finish(), {
      intraOpNumThreads: availableParallelism(),
      extra: { session: { force_spinning_stop: '1' } },
    })
    return new BareProduct(session, shape, x)
  }

  async run(): Promise<void> {
    await runInto(this.#session, this.#feeds, this.#fetches)
  }

  close(): Promise<void> {
    return this.#session.release()
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
