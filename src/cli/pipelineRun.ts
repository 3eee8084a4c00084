/** Runs stages of the pipeline in this process, with progress on the terminal. */
import type { PipelineConfig, PipelineEvent, RunPlan, Stage } from '../jobs/index.ts'
import type { TrainPoint } from '../train/index.ts'
import { openProgress } from './terminal.ts'

/** @param json also print every training point as a JSON line on stdout. */
export async function runStages(
  config: PipelineConfig,
  options: {
    stages: readonly Stage[]
    signal: AbortSignal
    onPlan?: (plan: RunPlan) => void
    json?: boolean | undefined
  },
): Promise<void> {
  const { runPipeline } = await import('../jobs/index.ts')
  const { json, onPlan = () => {}, ...rest } = options
  await withProgress(json, (report, clear) =>
    runPipeline(config, {
      ...rest,
      report,
      onPlan(plan) {
        clear()
        onPlan(plan)
      },
    }),
  )
}

/** Shows what `work` reports while it works. @param json as `runStages`. */
export async function withProgress(
  json: boolean | undefined,
  work: (report: (event: PipelineEvent) => void, clear: () => void) => Promise<unknown>,
): Promise<void> {
  const progress = openProgress()
  let curves = ''
  try {
    await work((event) => {
      if (event.type === 'progress')
        progress.update(`${event.message}${curves}`, event.progress, event.remaining_ms)
      if (event.type !== 'points') return
      if (json) for (const point of event.points) console.log(JSON.stringify(point))
      const mean = (pick: (point: TrainPoint) => number) =>
        event.points.reduce((sum, point) => sum + pick(point), 0) / event.points.length
      curves = `  l0 ${mean((p) => p.l0).toFixed(1)}  fvu ${mean((p) => p.fvu).toFixed(3)}  dead ${(100 * mean((p) => p.dead)).toFixed(1)} %`
    }, progress.clear)
  } finally {
    progress.clear()
  }
}
