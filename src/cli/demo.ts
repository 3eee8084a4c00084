/** `hooke demo`: the whole way on the bundled model, watched on the page. */
import { basename, join, resolve } from 'node:path'
import type { Command } from 'commander'
import type { Run } from '../store/index.ts'
import { type Context, wholeNumber } from './options.ts'
import { aborted } from './serve.ts'
import { renderSteeringExample } from './steeringExample.ts'
import { suiteTable } from './suiteTable.ts'
import { openProgress, renderDuration } from './terminal.ts'
import { databaseOption } from './workspace.ts'

type Options = { workspace: string; port: number; open: boolean; threads: number; exit?: boolean }

const SUITE = 'thimble-5m'

export function addDemoCommand(program: Command, { signal }: Context): void {
  program
    .command('demo')
    .summary('the whole pipeline on the bundled model, then the explorer')
    .description(
      'Opens the page at once and trains, evaluates, indexes and labels one SAE per layer of the bundled model while it fills; then prints the metrics and one steering example. Run again, it opens what is there.',
    )
    .option('--workspace <folder>', 'where the suite goes', 'hooke-demo')
    .option('--port <n>', 'port to listen on (0: a free one)', wholeNumber(0, 65535), 4665)
    .option('--no-open', 'do not open a browser')
    .option('--threads <n>', 'threads', wholeNumber(1, 256), 2)
    .option('--exit', 'end when the table is printed')
    .action(async (options: Options) => {
      const { startServer } = await import('../server/index.ts')
      const { demoConfig } = await import('../jobs/index.ts')
      const started = performance.now()
      const workspace = resolve(options.workspace)
      const suite = join(workspace, SUITE)
      const server = await startServer({
        workspace,
        port: options.port,
        open: options.open,
        ...databaseOption(),
      })
      let isStopped = false
      try {
        console.log(`Hooke is at ${server.url}`)
        const isThere = await isComplete(suite)
        if (!isThere) {
          const config = demoConfig(suite, { threads: options.threads })
          const id = await server.jobs.enqueue('demo', config)
          const run = await followRun(server.url, id, signal)
          isStopped = run === undefined
          if (run === undefined) return
          if (run.state !== 'done') throw new Error(run.error ?? `the run ended: ${run.state}`)
        }
        await server.imported
        console.log(`\n${await suiteTable(suite)}`)
        if (!isThere) {
          const example = await renderSteeringExample(server.url, basename(suite), suite)
          console.log(`\n${example}`)
        }
        console.log(
          `\n${renderDuration(performance.now() - started)} since the start. The page stays at ${server.url} (Ctrl-C ends it; npm run demo opens it again).`,
        )
        if (!options.exit) await aborted(signal)
      } finally {
        await server.close()
        if (isStopped)
          console.log(`Stopped. What is done is kept in ${workspace}; the same command goes on.`)
      }
    })
}

/** Whether every SAE that a suite plans has been taken through the last stage. */
async function isComplete(suite: string): Promise<boolean> {
  const { readLabelsFile, readSuiteFile } = await import('../jobs/index.ts')
  const { saeFolder } = await import('../sae/index.ts')
  const planned = (await readSuiteFile(suite))?.saes ?? []
  const labels = planned.map(({ hook, d_sae, l0 }) =>
    readLabelsFile(saeFolder(suite, hook, d_sae, l0)),
  )
  return planned.length > 0 && (await Promise.all(labels)).every((file) => file !== undefined)
}

/** Prints where a run is until it ends. @returns undefined if `signal` aborts first. */
async function followRun(url: string, id: string, signal: AbortSignal): Promise<Run | undefined> {
  const { hasEnded } = await import('../store/index.ts')
  const progress = openProgress()
  const stopped = aborted(signal)
  try {
    for (;;) {
      const runs = (await (await fetch(new URL('/api/runs', url))).json()) as Run[]
      const run = runs.find((candidate) => candidate.id === id)
      if (run && hasEnded(run.state)) return run
      if (run) progress.update(run.message, run.progress, run.remaining_ms)
      const tick = new Promise((done) => setTimeout(done, 500))
      await Promise.race([tick, stopped])
      if (signal.aborted) return undefined
    }
  } finally {
    progress.clear()
  }
}
