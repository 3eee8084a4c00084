/**
 * The trainer against Gemma Scope's recipe, plainly implemented: both see the same batches in the same order, and their errors
 * are compared at equal L0 on held-out activations.
 *
 * (1) The plain one trains, once a lambda, and reaches some L0. (2) The trainer is asked for that L0, and for a tenth less and
 * more, in one pass. (3) Its error at exactly that L0 is read off the line, in logarithms, through its two nearest runs.
 */
import type { BatchSource } from '../../activations/index.ts'
import type { HookName } from '../../model/index.ts'
import { loadSae } from '../../sae/disk.ts'
import { decode, encode } from '../../sae/index.ts'
import { train } from '../trainer.ts'
import { reconstruct, shortRun, trainGemmaScope } from './gemmaScope.ts'

/** Held-out L0 and fraction of variance unexplained. */
type Fidelity = { readonly l0: number; readonly fvu: number }

export type QualityRow = {
  readonly lambda: number
  readonly plain: Fidelity
  /** The trainer's runs, by L0. */
  readonly runs: readonly Fidelity[]
  /** The trainer's FVU at the plain one's L0. */
  readonly fvu: number
  /** The trainer's FVU divided by the plain one's. */
  readonly ratio: number
}

/**
 * @param options.held_out raw activations [n, d_in] that are in no batch.
 * @param options.out folder for the trainer's SAEs.
 */
export async function compareQuality(options: {
  readonly source: BatchSource
  readonly hook: HookName
  readonly held_out: Float32Array
  readonly d_sae: number
  readonly batch_size: number
  readonly n_steps: number
  readonly lambdas: readonly number[]
  readonly seed: number
  readonly out: string
  readonly onRow?: (row: Pick<QualityRow, 'lambda' | 'plain'>) => void
}): Promise<QualityRow[]> {
  const { source, hook, held_out, d_sae, batch_size, n_steps, seed, out } = options
  const d_in = source.width(hook)
  const norm = source.norm(hook)
  const plain: Pick<QualityRow, 'lambda' | 'plain'>[] = []
  for (const lambda of options.lambdas) {
    const batches = scaledBatches(source, hook, { batch_size, seed })
    const recipe = shortRun(d_in, n_steps)
    const sae = await trainGemmaScope(batches, { d_in, d_sae, seed }, lambda, recipe)
    const x = scaled(held_out, norm)
    const { recon, l0 } = reconstruct(sae, { x })
    plain.push({ lambda, plain: { l0, fvu: fvuOf(x, recon, d_in) } })
    options.onRow?.(plain.at(-1)!)
  }

  const targets = plain.map(({ plain: { l0 } }) =>
    [0.9, 1, 1.1].map((factor) => Math.round(factor * l0 * 10) / 10),
  )
  const { saes } = await train({
    ...{ source, out, batch_size, seed, n_tokens: n_steps * batch_size },
    saes: targets.flat().map((l0) => ({ hook, d_sae, l0 })),
  })
  const measured: Fidelity[] = []
  for (const { folder } of saes) {
    const sae = await loadSae(folder)
    const acts = encode(sae, held_out)
    const l0 = acts.value.length / acts.n
    measured.push({ l0, fvu: fvuOf(held_out, decode(sae, acts), d_in) })
  }
  return plain.map((row, i) => {
    const runs = measured.slice(3 * i, 3 * i + 3).sort((a, b) => a.l0 - b.l0)
    const fvu = fvuAt(runs, row.plain.l0)
    return { ...row, runs, fvu, ratio: fvu / row.plain.fvu }
  })
}

/** The FVU at an L0, on the line through the two nearest points, both in logarithms. */
function fvuAt(points: readonly Fidelity[], l0: number): number {
  const distance = (point: Fidelity) => Math.abs(Math.log(point.l0 / l0))
  const [a, b] = points.toSorted((p, q) => distance(p) - distance(q))
  const slope = Math.log(b!.fvu / a!.fvu) / Math.log(b!.l0 / a!.l0)
  return a!.fvu * (l0 / a!.l0) ** slope
}

/** `sum ||x - recon||^2 / sum ||x - mean x||^2` over the rows. */
function fvuOf(x: ArrayLike<number>, recon: ArrayLike<number>, d: number): number {
  const mean = new Float64Array(d)
  for (let j = 0; j < x.length; j++) mean[j % d]! += (x[j]! * d) / x.length
  let errors = 0
  let variance = 0
  for (let j = 0; j < x.length; j++) {
    errors += (x[j]! - recon[j]!) ** 2
    variance += (x[j]! - mean[j % d]!) ** 2
  }
  return errors / variance
}

const scaled = (x: Float32Array, norm: number) => Float64Array.from(x, (value) => value / norm)

async function* scaledBatches(
  source: BatchSource,
  hook: HookName,
  options: { batch_size: number; seed: number },
): AsyncGenerator<Float64Array> {
  for await (const { acts } of source.batches(options))
    yield scaled(acts.get(hook)!, source.norm(hook))
}
