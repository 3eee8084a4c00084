/**
 * Part `prefill`: tokens a second through the whole model, plain and with every published site captured, beside eager PyTorch and beside
 * the bare matrix products. Each contestant has a process of its own and the machine to itself while it is measured, and warms up
 * with a pass of the same size: memory that a process touches for the first time is the machine's to give, up to 7 s for 3 GB
 * where the machine is a virtual one. A result with all sites is new memory every time, so its pass is timed beside the capture.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { INSTALL, pythonWithTorch } from '../torch.ts'
import { differenceOf, readFloats } from './compare.ts'
import { Contestant, type Time, withContestant } from './contestant.ts'
import type { GemmRequest } from './gemm.ts'
import { type Row, ratiosOf, tokensPerSecond, warnIfBusy } from './report.ts'
import { checkMemory, Hooke, randomIds, type Setup } from './setup.ts'
import { EMBEDDING, tensorShapes } from './shape.ts'

const N_CHECKED = 64

/** Times by batch, one a round. */
type Times = readonly Time[][]
type Contest = {
  readonly plain: Times
  readonly captured: Times
  readonly returned: Times
  readonly torch: Times
  readonly products: Times
}

export async function benchPrefill(setup: Setup): Promise<Row[]> {
  const empty = (): Time[][] => setup.batches.map(() => [])
  const contest: Contest = {
    ...{ plain: empty(), captured: empty(), returned: empty(), torch: empty(), products: empty() },
  }
  const python = pythonWithTorch()
  if (python === undefined) console.error(`model: ${INSTALL}`)
  const rows = python === undefined ? [] : await checkAgreement(setup, python)
  for (let round = 0; round < setup.rounds; round++) {
    warnIfBusy()
    await measureHooke(setup, contest)
    if (python !== undefined) await measureTorch(setup, python, contest)
    await measureProducts(setup, contest)
  }
  return [...rows, ...setup.batches.flatMap((batch, i) => describe(batch, i, contest))]
}

/** Both on the same ids: losses and the last residual stream. */
async function checkAgreement(setup: Setup, python: string): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'model-bench-'))
  try {
    const ids = randomIds(setup.shape, 1, N_CHECKED)
    const paths = [join(folder, 'hooke'), join(folder, 'torch')] as const
    const ours = await Hooke.with(setup, { weights: setup.weights }, async (hooke) => {
      await hooke.ask({ do: 'forward', ids, sites: 'last', keep: paths[0] })
      return hooke.ask<{ losses: number[] }>({ do: 'losses', ids })
    })
    const theirs = await withTorch(setup, python, async (torch) => {
      await torch.ask({ do: 'forward', ids, reps: 1, keep: paths[1] })
      return torch.ask<{ losses: number[] }>({ do: 'losses', ids })
    })
    const loss = Math.max(...ours.losses.map((value, i) => Math.abs(value - theirs.losses[i]!)))
    const { relative } = differenceOf(await readFloats(paths[0]), await readFloats(paths[1]))
    return [
      {
        part: 'prefill',
        what: `last residual stream, ours and PyTorch's, largest difference / rms`,
        value: `${N_CHECKED} tokens`,
        ratios: [relative],
      },
      {
        part: 'prefill',
        what: `losses, ours and PyTorch's, largest difference in nats`,
        value: `${N_CHECKED - 1} losses`,
        ratios: [loss],
      },
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Plain and captured in turns, in one process. */
async function measureHooke(setup: Setup, { plain, captured, returned }: Contest): Promise<void> {
  await Hooke.with(setup, { weights: setup.weights }, async (hooke) => {
    for (const [i, [n_seqs, seq_len]] of setup.batches.entries()) {
      const ids = randomIds(setup.shape, n_seqs, seq_len)
      await hooke.ask({ do: 'forward', ids, sites: 'captured' })
      plain[i]!.push(await hooke.ask<Time>({ do: 'forward', ids, sites: 'last' }))
      captured[i]!.push(await hooke.ask<Time>({ do: 'forward', ids, sites: 'captured' }))
      returned[i]!.push(await hooke.ask<Time>({ do: 'forward', ids, sites: 'returned' }))
    }
  })
}

async function measureTorch(setup: Setup, python: string, contest: Contest): Promise<void> {
  await withTorch(setup, python, async (torch) => {
    for (const [i, [n_seqs, seq_len]] of setup.batches.entries()) {
      const ids = randomIds(setup.shape, n_seqs, seq_len)
      const { times } = await torch.ask<{ times: Time[] }>({ do: 'forward', ids, reps: 2 })
      contest.torch[i]!.push(times[1]!)
    }
  })
}

/** PyTorch with the checkpoint open; its embedding stays in bfloat16. */
async function withTorch<Value>(
  { folder, shape, threads }: Setup,
  python: string,
  use: (torch: Contestant) => Promise<Value>,
): Promise<Value> {
  let bytes = 0
  for (const [name, sizes] of tensorShapes(shape))
    bytes += sizes.reduce((a, b) => a * b, name === EMBEDDING ? 2 : 4)
  checkMemory('PyTorch', bytes)
  return withContestant(
    new Contestant('PyTorch', 'forward.py', threads, { python }),
    async (torch) => {
      await torch.ask({ do: 'open', folder })
      return use(torch)
    },
  )
}

async function measureProducts(
  { shape, threads, batches }: Setup,
  contest: Contest,
): Promise<void> {
  const gemm = new Contestant('the bare products', 'gemm.ts', threads)
  const ask = <Answer>(request: GemmRequest) => gemm.ask<Answer>(request)
  await withContestant(gemm, async () => {
    await ask({ do: 'open', shape, threads })
    for (const [i, [n_seqs, seq_len]] of batches.entries()) {
      const n_tokens = n_seqs * seq_len
      // As many blocks as the model has would take as long again: a few of them, times their number.
      const reps = Math.min(shape.n_layers, 4)
      const { times } = await ask<{ times: Time[] }>({ do: 'products', n_tokens, reps })
      const sum = (key: keyof Time) =>
        (times.reduce((total, time) => total + time[key], 0) * shape.n_layers) / reps
      contest.products[i]!.push({ ms: sum('ms'), cpu_ms: sum('cpu_ms') })
    }
  })
}

function describe(
  [n_seqs, seq_len]: readonly [number, number],
  i: number,
  contest: Contest,
): Row[] {
  const n_tokens = n_seqs * seq_len
  const size = `${n_seqs} x ${seq_len}`
  const [plain, captured, returned, torch, products] = [
    contest.plain[i]!,
    contest.captured[i]!,
    contest.returned[i]!,
    contest.torch[i]!,
    contest.products[i]!,
  ]
  const value = (times: readonly Time[]) => tokensPerSecond(n_tokens, times)
  const part = 'prefill'
  return [
    { part, what: `${size}: Hooke, plain`, value: value(plain) },
    {
      ...{ part, what: `${size}: Hooke, all sites captured; time / plain`, value: value(captured) },
      ...{ ...ratiosOf(captured, plain), asked: { at_most: 1.1 } },
    },
    {
      ...{ part, what: `${size}: Hooke, all sites returned; time / plain`, value: value(returned) },
      ...ratiosOf(returned, plain),
    },
    ...(torch.length === 0
      ? []
      : [
          {
            ...{ part, what: `${size}: eager PyTorch; its time / ours`, value: value(torch) },
            ...{ ...ratiosOf(torch, plain), asked: { at_least: 1.3 } },
          },
        ]),
    {
      ...{ part, what: `${size}: bare products; their time / ours`, value: value(products) },
      ...{ ...ratiosOf(products, plain), asked: { at_least: 0.75 } },
    },
  ]
}
