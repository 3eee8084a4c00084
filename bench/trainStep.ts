/**
 * A whole JumpReLU training step beside the same step in dense eager PyTorch (trainStep.py; as it is written down, and tuned)
 * and beside ONNX Runtime's bare product of the encoder's shape, all cores each, taking turns in one run.
 *
 *     npm run bench -- train-step [d_in d_sae l0 batch_size n_pairs]
 *
 * Without arguments: 256 x 4096 and 2304 x 16384, batch 4096, about 70 active latents a token, 5 rounds. Random inputs,
 * weights as initialised. First both take three steps at a learning rate of 2e-5 from the same weights on the same batch,
 * and their losses are printed; they are then timed at rates so small that L0 stays.
 */

import { loadavg } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import type { Engine, StepInput } from '../src/train/engine.ts'
import { padded } from '../src/train/ranges.ts'
import {
  BareProduct,
  median,
  randomRows,
  runOptions,
  type Shape,
  startEngine,
} from './contestants.ts'
import { INSTALL, TORCH_KINDS, type TorchKind, type TorchSetup, TorchStep } from './torch.ts'

/** A turn lasts at least this long, so that short steps are averaged. */
const TURN_MS = 1000
const LAMBDA = 0.1
const CHECKED: StepInput = { lr: 2e-5, lr_threshold: 1e-7, lambda: LAMBDA }
const N_CHECKED = 3
const TIMED: StepInput = { lr: 1e-9, lr_threshold: 1e-11, lambda: LAMBDA }

async function compare(shape: Shape, n_pairs: number): Promise<void> {
  const { d_in, d_sae, batch_size } = shape
  const x = randomRows(batch_size, d_in)
  const engine = await startEngine(runOptions(shape), x)
  const { n_threads, saes } = engine.plan
  engine.put(0, [x])
  const setup = await torchSetup(engine, shape, x)
  const torches = new Map<TorchKind, TorchStep>()
  for (const kind of TORCH_KINDS) {
    const torch = await TorchStep.start(kind, setup)
    if (torch) torches.set(kind, torch)
  }
  const bare = await BareProduct.open(shape, x)
  await bare.run()
  console.log(
    `\n${d_in} x ${d_sae}, batch ${batch_size}; ours: ${n_threads} threads, ${saes[0]!.ranges.length} shards`,
  )
  console.log(torches.get('tuned')?.about ?? `PyTorch: ${INSTALL}`)
  const l0 = await checkSameStep(engine, torches)

  const ours_ms: number[] = []
  const gemm_ms: number[] = []
  const torch_ms: Record<TorchKind, number[]> = { written: [], tuned: [] }
  const bare_ms: number[] = []
  const torch_turn: Record<TorchKind, number> = { written: 1, tuned: 1 }
  // The first round is not counted: it meets memory that was never touched.
  for (let round = 0; round <= n_pairs; round++) {
    const gemm_before = engine.gemmMs()
    const ours = await turn(() => engine.step(0, [TIMED]))
    const gemm = (engine.gemmMs() - gemm_before) / ours.n
    await setTimeout(50)
    for (const [kind, torch] of torches) {
      const { ms } = await torch.steps(torch_turn[kind], TIMED)
      torch_turn[kind] = Math.ceil(TURN_MS / ms)
      if (round > 0) torch_ms[kind].push(ms)
      await setTimeout(50)
    }
    const product = await turn(() => bare.run())
    if (round === 0) continue
    ours_ms.push(ours.ms)
    gemm_ms.push(gemm)
    bare_ms.push(product.ms)
  }
  await engine.close()
  for (const torch of torches.values()) await torch.close()
  await bare.close()
  const gflops = (ms: number) => Math.round((2 * batch_size * d_in * d_sae) / ms / 1e6)
  const step = median(ours_ms)
  const product = median(gemm_ms)
  const bare_product = median(bare_ms)
  console.table({
    'L0, first step': { is: l0.toFixed(1) },
    'our step, ms': { is: step.toFixed(1) },
    'tokens a second': { is: Math.round((batch_size * 1000) / step) },
    'encoder product in it (8 bits), ms': { is: product.toFixed(1) },
    'its share': { is: `${((100 * product) / step).toFixed(0)} %` },
    'its Gop/s': { is: gflops(product) },
    'bare Gemm, ms': { is: bare_product.toFixed(1) },
    'its GFLOP/s': { is: gflops(bare_product) },
    'step / bare Gemm': { is: range(ours_ms.map((ms, i) => ms / bare_ms[i]!)) },
    ...Object.fromEntries(
      [...torches.keys()].flatMap((kind) => {
        const times_ms = torch_ms[kind]
        return [
          [`PyTorch's step, ${kind}, ms`, { is: median(times_ms).toFixed(0) }],
          [`PyTorch, ${kind} / ours`, { is: range(times_ms.map((ms, i) => ms / ours_ms[i]!)) }],
        ]
      }),
    ),
  })
}

/** The engine's initial weights, for PyTorch. */
async function torchSetup(
  engine: Engine,
  { d_in, d_sae, l0, batch_size }: Shape,
  x: Float32Array,
): Promise<TorchSetup> {
  const { biases, shard: read } = engine.state()
  const { ranges, recipe } = engine.plan.saes[0]!
  const rows = { W_enc: new Float32Array(d_sae * d_in), W_dec: new Float32Array(d_sae * d_in) }
  const numbers = { b_enc: new Float32Array(d_sae), threshold: new Float32Array(d_sae) }
  for (const [shard, { first, width }] of ranges.entries()) {
    const state = await read(0, shard)
    for (const name of ['b_enc', 'threshold'] as const) numbers[name].set(state[name]!, first)
    for (const name of ['W_enc', 'W_dec'] as const) {
      for (let i = 0; i < width; i++) {
        const at = i * padded(d_in)
        rows[name].set(state[name]!.subarray(at, at + d_in), (first + i) * d_in)
      }
    }
  }
  const { bandwidth, adam_eps } = recipe
  const arrays = { x, ...rows, ...numbers, b_dec: biases[0]!.b_dec.slice(0, d_in) }
  return { arrays, d_in, d_sae, batch_size, bandwidth, l0, adam_eps }
}

/** Prints both losses over a few steps, which must agree; returns the first L0. */
async function checkSameStep(
  engine: Engine,
  torches: ReadonlyMap<TorchKind, TorchStep>,
): Promise<number> {
  const losses: [string, { mse: number; l0: number }[]][] = [['ours', []]]
  for (let i = 0; i < N_CHECKED; i++) losses[0]![1].push((await engine.step(0, [CHECKED]))[0]!)
  for (const [kind, torch] of torches) {
    const { mse, l0 } = await torch.steps(N_CHECKED, CHECKED)
    losses.push([`PyTorch, ${kind}`, mse.map((value, i) => ({ mse: value, l0: l0[i]! }))])
  }
  for (let i = 0; i < N_CHECKED; i++) {
    const words = losses.map(([who, steps]) => {
      const { mse, l0 } = steps[i]!
      return `${who}: mse ${mse.toPrecision(8)}, L0 ${l0.toPrecision(7)}`
    })
    console.log(`step ${i + 1}: ${words.join('; ')}`)
  }
  return losses[0]![1][0]!.l0
}

/** Runs until the turn is over; the mean time of one run and how many there were. */
async function turn(run: () => Promise<unknown>): Promise<{ ms: number; n: number }> {
  const started = performance.now()
  for (let n = 1; ; n++) {
    await run()
    const ms = performance.now() - started
    if (ms >= TURN_MS) return { ms: ms / n, n }
  }
}

function range(ratios: readonly number[]): string {
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)]
  return `${median(ratios).toFixed(2)} (${low.toFixed(2)} to ${high.toFixed(2)} in ${ratios.length} rounds)`
}

const given = process.argv.slice(2).map(Number)
const shapes = given.length > 0 ? [given] : [[], [2304, 16384]]
if (loadavg()[0]! > 0.5)
  console.warn(
    `load average ${loadavg()[0]!.toFixed(1)}: others are at work here; take times with care`,
  )
for (const [d_in = 256, d_sae = 4096, l0 = 70, batch_size = 4096, n_pairs = 5] of shapes)
  await compare({ d_in, d_sae, l0, batch_size }, n_pairs)
