/** `hooke label --explainer pairs|contexts|contrastive`: labels by a language model, price first, nothing paid twice. */
import { basename, resolve } from 'node:path'
import type { AskSettings, SuiteText } from '../jobs/index.ts'
import type { Asker, ExplainerName, ExplainOptions } from '../label/index.ts'
import type { LatentFile } from '../latents/disk.ts'
import type { LatentRecord } from '../latents/index.ts'
import type { SaeEntry } from '../sae/index.ts'
import type { Database } from '../store/index.ts'
import {
  type AskFlags,
  askSettingsOf,
  confirmCost,
  renderCost,
  renderSpent,
  requireKey,
} from './askOptions.ts'
import { openProgress, type Progress } from './terminal.ts'
import { openSuiteDatabase, suiteEntries } from './workspace.ts'

export type LabelByModelFlags = AskFlags & {
  data?: string[]
  textColumn?: string
  tokens: number
  latents: number
  json?: boolean
}

/** The latents of one SAE that are to be labelled. */
type Job = { readonly entry: SaeEntry; readonly sae: string; readonly wanted: readonly number[] }

/** What a run works with. */
type Run = {
  readonly db: Database
  readonly asker: Asker
  readonly explainer: ExplainerName
  readonly options: Omit<ExplainOptions, 'hook' | 'near_misses'>
  readonly text: SuiteText | undefined
  readonly progress: Progress
  readonly json: boolean
  readonly signal: AbortSignal
}

/** Latents whose questions an estimate is made from. */
const N_SAMPLED = 20

/** @throws CliError as `askSettingsOf`, `confirmCost` and `requireKey`; CallError where the server refuses all. */
export async function labelByModel(
  suite: string,
  explainer: ExplainerName,
  flags: LabelByModelFlags,
  signal: AbortSignal,
): Promise<void> {
  const { openSuiteAsker, openSuiteText, suitePieces } = await import('../jobs/index.ts')
  const ask = await askSettingsOf('label', flags)
  const options = {
    explainer,
    pieces: await suitePieces(suite),
    thinking_tokens: ask.thinking_tokens,
  }
  const db = await openSuiteDatabase(suite)
  const progress = openProgress()
  let text: SuiteText | undefined
  try {
    const { jobs, cost } = await planJobs(suite, db, { ask, options, n: flags.latents })
    if (flags.estimate || jobs.length === 0) return
    confirmCost('label', cost, ask, flags)
    await requireKey('label', ask)
    const { asker, lost } = await openSuiteAsker(ask, suite, signal)
    if (lost !== undefined) console.error(lost)
    if (explainer === 'contrastive')
      text = await openSuiteText(resolve(suite), {
        data: flags.data,
        text_column: flags.textColumn,
        n_tokens: flags.tokens,
        signal,
        onProgress: (message, share) => progress.update(message, share),
      })
    const json = flags.json ?? false
    const run: Run = { db, asker, explainer, options, text, progress, json, signal }
    for (const job of jobs) if (!(await labelJob(job, run))) break
    console.error(renderSpent(asker.spent()))
  } finally {
    progress.clear()
    await text?.close()
    await db.close()
  }
}

/** What there is to label, told with what it would cost. */
async function planJobs(
  suite: string,
  db: Database,
  { ask, options, n }: { ask: AskSettings; options: Run['options']; n: number },
): Promise<{ jobs: Job[]; cost: number | undefined }> {
  const { labelledLatents } = await import('../store/index.ts')
  const { authorOf, estimateCost, explainQuestion } = await import('../label/index.ts')
  const { saeId, withLatents } = await import('../jobs/index.ts')
  const author = authorOf(ask.model, options.explainer)
  const jobs: Job[] = []
  let cost: number | undefined
  for (const entry of await suiteEntries(suite)) {
    const sae = saeId(basename(resolve(suite)), entry)
    const labelled = new Set(await labelledLatents(db, sae, 'llm', author))
    await withLatents(entry, async (latents) => {
      const wanted = (await mostUsed(latents, n)).filter((latent) => !labelled.has(latent))
      const sample = await Promise.all(wanted.slice(0, N_SAMPLED).map((l) => latents.record(l)))
      const estimate = estimateCost(
        sample.flatMap(
          (record) => explainQuestion(record, { ...options, ...standIns(entry) }) ?? [],
        ),
        { n_sampled: sample.length, n: wanted.length, prices: ask.prices },
      )
      console.error(
        `${entry.hook}: ${wanted.length} latents to label (${labelled.size} are), about ${estimate.input_tokens} tokens in, ${estimate.output_tokens} out, ${estimate.cost === undefined ? 'price not known' : `about ${renderCost(estimate.cost)}`}`,
      )
      if (estimate.cost !== undefined) cost = (cost ?? 0) + estimate.cost
      if (wanted.length > 0) jobs.push({ entry, sae, wanted })
    })
  }
  return { jobs, cost }
}

/** For an estimate near misses need not be found: a latent's own examples are as long. */
const standIns = ({ hook }: SaeEntry): Pick<ExplainOptions, 'hook' | 'near_misses'> => ({
  hook,
  near_misses: ({ examples }) =>
    examples.slice(0, 10).map((example) => ({ example, why: 'neighbour' as const })),
})

/** @returns false where the cap stopped it. */
async function labelJob({ entry, sae, wanted }: Job, run: Run): Promise<boolean> {
  const { addLabel } = await import('../store/index.ts')
  const { explainLatents, nearMisses } = await import('../label/index.ts')
  const { withLatents } = await import('../jobs/index.ts')
  const { hook } = entry
  const activity = await run.text?.activity(entry, 'explaining', (message, share) =>
    run.progress.update(message, share),
  )
  return withLatents(entry, async (latents) => {
    const { context } = latents.info
    const near_misses =
      activity && ((record: LatentRecord) => nearMisses(record, activity, { hook, context }))
    let n_done = 0
    for await (const event of explainLatents(recordsOf(latents, wanted), run.asker, {
      ...run.options,
      hook,
      signal: run.signal,
      ...(near_misses ? { near_misses } : {}),
    })) {
      if (event.type === 'done') {
        run.progress.clear()
        console.error(`${hook}: ${event.n_labelled} labelled, ${event.n_failed} failed`)
        if (event.stopped)
          console.error('stopped at --max-cost; raise it and run the same command to go on')
        return event.stopped === undefined
      }
      run.progress.update(
        `labelling ${hook}: ${++n_done} of ${wanted.length}`,
        n_done / wanted.length,
      )
      const name = `${hook}/${event.latent}`
      if (event.type === 'failed') {
        run.progress.clear()
        console.error(`${name}: no label: ${event.error}`)
        continue
      }
      const { latent, text, method, author, evidence } = event
      await addLabel(run.db, { sae, latent, text, method, author, evidence })
      run.progress.clear()
      console.log(run.json ? JSON.stringify({ latent: name, text, author }) : `${name}: ${text}`)
    }
    return true
  })
}

/** Indices of the latents that fire most often, those that never fire left out. */
async function mostUsed(latents: LatentFile, n: number): Promise<number[]> {
  const n_active = await latents.column('n_active')
  return Array.from(n_active.keys())
    .filter((latent) => n_active[latent]! > 0)
    .sort((a, b) => n_active[b]! - n_active[a]! || a - b)
    .slice(0, n)
}

async function* recordsOf(latents: LatentFile, indices: readonly number[]) {
  for (const index of indices) yield latents.record(index)
}
