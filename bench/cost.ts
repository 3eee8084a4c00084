/**
 * How a training step's time and memory grow: with the dictionary, with L0, with the number of SAEs in one run, and from
 * architecture to architecture.
 *
 *     npm run bench -- cost
 *
 * Every case is a process of its own, so that its peak of resident memory is its own. Random inputs, weights as initialised,
 * batch 4096. Prints tables in Markdown. Peak memory is that of the whole process; what is planned is what was there before,
 * what threads and code take in a run of next to nothing, and `trainingMemory`.
 */
import { execFileSync } from 'node:child_process'
import { loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { ARCHITECTURE_NAMES, type ArchitectureName, trainingMemory } from '../src/train/index.ts'
import { median, randomRows, runOptions, type Shape, startEngine } from './contestants.ts'

const BATCH = 4096
/** A case is timed until so much time is gone, with at least three steps. */
const CASE_MS = 3000
const LEAST_STEPS = 3
/** Sizes of the training step that the project measures itself by. */
const SMALL = { d_in: 256, d_sae: 4096, l0: 70 }
const LARGE = { d_in: 2304, d_sae: 16384, l0: 70 }

type Case = Shape & { readonly n_saes: number; readonly architecture: ArchitectureName }
type Cost = {
  readonly step_ms: number
  readonly l0: number
  /** Most resident memory, and how much of it was there before the engine. */
  readonly peak_bytes: number
  readonly before_bytes: number
}

async function measure({ n_saes, architecture, ...shape }: Case): Promise<Cost> {
  const x = randomRows(shape.batch_size, shape.d_in)
  const before_bytes = process.memoryUsage.rss()
  const engine = await startEngine(runOptions(shape, { architecture }, n_saes), x)
  engine.put(0, [x])
  // Learning rates so small that L0 stays where it is.
  const inputs = Array.from({ length: n_saes }, () => ({
    lr: 1e-9,
    lr_threshold: 1e-11,
    lambda: 0,
  }))
  const { l0 } = (await engine.step(0, inputs))[0]!
  const times_ms: number[] = []
  for (let spent = 0; spent < CASE_MS || times_ms.length < LEAST_STEPS; spent += times_ms.at(-1)!) {
    const started = performance.now()
    await engine.step(0, inputs)
    times_ms.push(performance.now() - started)
  }
  await engine.close()
  const peak_bytes = process.resourceUsage().maxRSS * 1024
  return { step_ms: median(times_ms), l0, peak_bytes, before_bytes }
}

function inOwnProcess(given: Case): Cost {
  const file = fileURLToPath(import.meta.url)
  const answer = execFileSync(process.execPath, [file, JSON.stringify(given)], { encoding: 'utf8' })
  return JSON.parse(answer) as Cost
}

/** What threads and code take: a run of next to nothing. */
const TINY = {
  d_in: 16,
  d_sae: 64,
  l0: 8,
  batch_size: 64,
  n_saes: 1,
  architecture: 'jumprelu',
} as const

const number = (value: number, digits = 0) =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })

const COLUMNS = [
  ...['d_in x d_sae', 'SAEs', 'architecture', 'L0', 'step, ms', 'tokens a second'],
  ...['peak memory, MiB', 'planned, MiB', 'of that training', 'difference'],
]

function printTable(title: string, program_bytes: number, cases: readonly Partial<Case>[]): void {
  console.log(`\n${title}\n\n| ${COLUMNS.join(' | ')} |\n|${'---|'.repeat(COLUMNS.length)}`)
  for (const part of cases) {
    const given: Case = {
      ...SMALL,
      batch_size: BATCH,
      n_saes: 1,
      architecture: 'jumprelu',
      ...part,
    }
    const { n_saes, architecture } = given
    const { step_ms, l0, peak_bytes, before_bytes } = inOwnProcess(given)
    const training_bytes = trainingMemory(runOptions(given, { architecture }, n_saes)).total_bytes
    const planned_bytes = before_bytes + program_bytes + training_bytes
    const cells = [
      `${number(given.d_in)} x ${number(given.d_sae)}`,
      number(n_saes),
      architecture,
      number(l0, 1),
      number(step_ms),
      number((BATCH * 1000) / step_ms),
      number(peak_bytes / 2 ** 20),
      number(planned_bytes / 2 ** 20),
      number(training_bytes / 2 ** 20),
      `${number(100 * (peak_bytes / planned_bytes - 1))} %`,
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

const [given] = process.argv.slice(2)
if (given !== undefined) {
  console.log(JSON.stringify(await measure(JSON.parse(given) as Case)))
} else {
  if (loadavg()[0]! > 0.5)
    console.warn(
      `load average ${loadavg()[0]!.toFixed(1)}: others are at work here; take times with care`,
    )
  const tiny = inOwnProcess(TINY)
  const program_bytes = tiny.peak_bytes - tiny.before_bytes
  console.log(`threads and code: ${number(program_bytes / 2 ** 20)} MiB`)
  const widths = [4096, 8192, 16384, 32768, 65536]
  printTable('Width of the dictionary', program_bytes, [
    ...widths.map((d_sae) => ({ ...SMALL, d_sae })),
    ...widths.map((d_sae) => ({ ...LARGE, d_sae })),
  ])
  const targets = [20, 40, 80, 160, 320]
  printTable('Active latents', program_bytes, [
    ...targets.map((l0) => ({ ...SMALL, l0 })),
    ...targets.map((l0) => ({ ...LARGE, l0 })),
  ])
  printTable(
    'SAEs in one run',
    program_bytes,
    [1, 2, 4, 8].map((n_saes) => ({ n_saes })),
  )
  printTable(
    'Architecture',
    program_bytes,
    ARCHITECTURE_NAMES.map((architecture) => ({ architecture })),
  )
}
