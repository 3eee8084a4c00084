/**
 * npm run fuzz [-- --target npz --seed 7 --runs 100000 --first 0 --limit-ms 5000 --out folder --messages]
 *
 * Reads mutated inputs of every target, or of those named, and ends with 1 if one was neither read nor clearly refused. Such
 * inputs are written to `--out`; `--first I --runs 1` makes input I again. `--reach` also says which lines were reached.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inputKey } from './protocol.ts'
import { Random } from './random.ts'
import { TARGETS } from './targets/index.ts'
import { type Run, watch } from './watch.ts'

const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: TARGETS.map(({ name }) => name) },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '100000' },
    first: { type: 'string', default: '0' },
    'limit-ms': { type: 'string', default: '5000' },
    out: { type: 'string', default: join(tmpdir(), 'hooke-fuzz') },
    messages: { type: 'boolean', default: false },
    reach: { type: 'boolean', default: false },
  },
})
const [seed, runs, first, limit_ms] = [values.seed, values.runs, values.first, values['limit-ms']].map(wholeNumber) as [number, number, number, number] // biome-ignore format: one line

let n_findings = 0
for (const name of values.target) {
  const target = TARGETS.find((one) => one.name === name)
  if (target === undefined) {
    throw new Error(
      `Unknown target ${name}, expected ${TARGETS.map((one) => one.name).join(', ')}.`,
    )
  }
  const targets_url = new URL('./targets/index.ts', import.meta.url).href
  const run = await watch({
    targets_url,
    target: name,
    seed,
    first,
    n: runs,
    limit_ms,
    reach: values.reach,
  })
  n_findings += run.findings.length
  print(run)
  if (run.findings.length === 0) continue
  console.log(`  again: npm run fuzz -- --target ${name} --seed ${seed} --runs 1 --first INDEX`)
  const seeds = await target.seeds()
  for (const { index, fault } of run.findings) {
    const folder = join(values.out, name, `${seed}-${index}`)
    mkdirSync(folder, { recursive: true })
    const files = target.mutate(new Random(inputKey(name, seed, index)), seeds)
    for (const [file, bytes] of Object.entries(files)) writeFileSync(join(folder, file), bytes)
    // The first line is enough to see whether two findings are one.
    console.log(`  ${folder}: ${fault.split('\n')[0]!.slice(0, 300)}`)
  }
}
process.exitCode = n_findings === 0 ? 0 : 1

function print(run: Run): void {
  const read = run.kinds.get('read') ?? 0
  const n_judged = [...run.kinds.values()].reduce((sum, count) => sum + count, 0)
  const share = ((100 * read) / n_judged).toFixed(1)
  const mb = (bytes: number) => (bytes / 2 ** 20).toFixed(1)
  console.log(
    `${run.target}: ${n_judged} inputs of seed ${seed} in ${(run.wall_ms / 1000).toFixed(1)} s; ${share} % read, ` +
      `the rest refused in ${run.kinds.size - 1} ways; ${run.findings.length} findings`,
  )
  console.log(
    `  longest ${run.slowest[0].toFixed(1)} ms of CPU (input ${run.slowest[1]}), ` +
      `most allocated ${mb(run.largest[0])} MiB (input ${run.largest[1]}), process at most ${mb(run.peak_rss_bytes)} MiB`,
  )
  for (const { source, n_lines, missed } of run.reach) {
    const percent = ((100 * (n_lines - missed.length)) / n_lines).toFixed(0)
    const list = missed.length === 0 ? '' : `; not line ${missed.join(', ')}`
    console.log(`  reached ${percent} % of ${n_lines} lines of ${source}${list}`)
  }
  if (!values.messages) return
  for (const [kind, count] of [...run.kinds].sort(([, a], [, b]) => b - a)) {
    console.log(`  ${String(count).padStart(7)} ${kind}`)
  }
}

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text)
  throw new Error(`Found ${text}, expected a whole number.`)
}
