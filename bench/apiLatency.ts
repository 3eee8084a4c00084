/**
 * How long an API request takes while a training runs on the same machine: GET /api/workspace and a latent's page, asked one
 * after the other without pause. Goal: under 200 ms.
 *
 *   node bench/apiLatency.ts [seconds]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resolveModel } from '../src/hub/index.ts'
import { type PipelineConfig, runPipeline } from '../src/jobs/index.ts'
import { startServer } from '../src/server/index.ts'

const seconds = Number(process.argv[2] ?? 60)
const workspace = await mkdtemp(join(tmpdir(), 'hooke-bench-'))
const shared = {
  model: 'thimble-5m',
  data: [join(await resolveModel('thimble-5m'), 'anthology.txt')],
  hooks: ['blocks.*.hook_resid_post'],
  eval_tokens: 10_000,
  held_out: 0.05,
  batch_size: 1024,
  seed: 0,
  threads: 2,
  dtype: 'F16',
} as const
const small: PipelineConfig = {
  ...shared,
  out: join(workspace, 'small'),
  hooks: ['blocks.3.hook_resid_post'],
  d_sae: [1024],
  l0: [16],
  n_tokens: 20_480,
  index_tokens: 20_000,
}
const large: PipelineConfig = {
  ...shared,
  out: join(workspace, 'large'),
  d_sae: [2048],
  l0: [32],
  n_tokens: 1_000_000,
}

await runPipeline(small)
const server = await startServer({ workspace, port: 0, model: { threads: 1 } })
await server.imported
const sae = 'small~blocks.3.hook_resid_post~width_1k~l0_16'
const requests = {
  workspace: '/api/workspace',
  latent: `/api/saes/${sae}/latents/17`,
  search: '/api/search?q=sea',
}
const took = new Map(Object.keys(requests).map((name) => [name, [] as number[]]))
const stages = new Map<string, number>()
/** The longest request of each stage, ms. */
const longest = new Map<string, number>()
let stage = 'starting'

const id = await server.jobs.enqueue('train', large)
const started = performance.now()
let rss = 0
while (performance.now() - started < seconds * 1000) {
  for (const [name, path] of Object.entries(requests)) {
    const asked = performance.now()
    const answer = await fetch(new URL(path, server.url))
    const body = await answer.json()
    const ms = performance.now() - asked
    took.get(name)!.push(ms)
    longest.set(stage, Math.max(ms, longest.get(stage) ?? 0))
    if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(body)}`)
  }
  rss = Math.max(rss, process.memoryUsage.rss())
  const run = (
    (await (await fetch(new URL('/api/runs', server.url))).json()) as {
      id: string
      state: string
      message: string
    }[]
  ).find((r) => r.id === id)!
  stage = run.message.split(/[: ]/)[0]!
  stages.set(stage, (stages.get(stage) ?? 0) + 1)
  if (run.state !== 'queued' && run.state !== 'running') break
  await new Promise((resolve) => setTimeout(resolve, 20))
}
const run = await server.jobs.stop(id)
console.log(
  `run: ${run?.state}, ${run?.message}; seen while: ${[...stages].map(([s, n]) => `${s} ${n}`).join(', ')}`,
)
for (const [name, ms] of took) {
  ms.sort((a, b) => a - b)
  const at = (share: number): string =>
    ms[Math.min(ms.length - 1, Math.floor(share * ms.length))]!.toFixed(1)
  console.log(
    `${name}: ${ms.length} requests, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, max ${at(1)} ms`,
  )
}
console.log(
  `longest by stage: ${[...longest].map(([s, ms]) => `${s} ${ms.toFixed(0)} ms`).join(', ')}`,
)
console.log(`peak memory ${(rss / 2 ** 20).toFixed(0)} MiB`)
await server.close()
await rm(workspace, { recursive: true, force: true })
