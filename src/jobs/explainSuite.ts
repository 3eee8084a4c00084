/** Labels for latents of a suite by a language model: which lack one, what that would cost, and making them. */
import {
  authorOf,
  type ExplainerName,
  type ExplainOptions,
  estimateCost,
  explainLatents,
  explainQuestion,
  nearMisses,
  type Usage,
} from '../label/index.ts'
import { openLatents } from '../latents/disk.ts'
import type { LatentRecord } from '../latents/index.ts'
import type { SaeEntry } from '../sae/index.ts'
import { type Database, type LabelEntry, labelledLatents, type SaeId } from '../store/index.ts'
import { type AskingEnd, type AskingOptions, type AskSettings, openSuiteAsker } from './asking.ts'
import { entriesOf, suitePieces, withLatents } from './scoring.ts'
import { openSuiteText } from './suiteText.ts'

/** An order for labels by a language model. Plain JSON: it waits in the queue. */
export type ExplainingOrder = {
  /** The suite's folder. */
  readonly out: string
  /** The n latents of each SAE that fire most, or just these. */
  readonly latents: number | readonly { readonly sae: SaeId; readonly latent: number }[]
  readonly explainer: ExplainerName
  /** Text that near misses come from instead of the suite's own. */
  readonly data?: readonly string[] | undefined
  readonly text_column?: string | undefined
  /** Tokens of text that near misses are looked for in. */
  readonly n_tokens: number
  readonly ask: AskSettings
}

/** The latents of an SAE that lack the label that is ordered, those first that fire most. */
export type Unexplained = {
  readonly sae: SaeId
  readonly latents: readonly number[]
  /** Latents that have it. */
  readonly n_labelled: number
}

/** What is said of a latent, or why nothing is. */
export type ExplainingResult =
  | { readonly type: 'label'; readonly label: LabelEntry }
  | {
      readonly type: 'unlabelled'
      readonly sae: SaeId
      readonly latent: number
      readonly error: string
    }

/** Latents whose questions an estimate is made from. */
const N_SAMPLED = 20

/** Finds the latents that are to be labelled; those that never fire, and those that this author has labelled, are left out. */
export async function unexplained(db: Database, order: ExplainingOrder): Promise<Unexplained[]> {
  const { latents, ask, explainer } = order
  const found: Unexplained[] = []
  for (const [sae, entry] of await entriesOf(order.out)) {
    const only =
      typeof latents === 'number'
        ? undefined
        : latents.filter((one) => one.sae === sae).map(({ latent }) => latent)
    if (only?.length === 0) continue
    const author = authorOf(ask.model, explainer)
    const labelled = new Set(await labelledLatents(db, sae, 'llm', author))
    const n_active = await withLatents(entry, (file) => file.column('n_active'))
    const first = (only ?? Array.from(n_active.keys()))
      .filter((latent) => n_active[latent]! > 0)
      .sort((a, b) => n_active[b]! - n_active[a]! || a - b)
      .slice(0, typeof latents === 'number' ? latents : undefined)
    const lacking = first.filter((latent) => !labelled.has(latent))
    found.push({ sae, latents: lacking, n_labelled: labelled.size })
  }
  return found
}

/** What labelling one SAE's latents would ask and cost. @throws Error where the suite has no vocabulary. */
export async function estimateExplaining(
  order: ExplainingOrder,
  { sae, latents }: Unexplained,
): Promise<Usage & { cost?: number }> {
  const entry = (await entriesOf(order.out)).get(sae)!
  const options = { ...(await explainOptions(order, entry)), near_misses: standIns }
  const sample = await withLatents(entry, (file) =>
    Promise.all(latents.slice(0, N_SAMPLED).map((latent) => file.record(latent))),
  )
  return estimateCost(
    sample.flatMap((record) => explainQuestion(record, options) ?? []),
    { n_sampled: sample.length, n: latents.length, prices: order.ask.prices },
  )
}

/** For an estimate near misses need not be found: a latent's own examples are as long. */
const standIns = ({ examples }: LatentRecord) =>
  examples.slice(0, 10).map((example) => ({ example, why: 'neighbour' as const }))

const explainOptions = async (
  { out, explainer, ask }: ExplainingOrder,
  { hook }: SaeEntry,
): Promise<ExplainOptions> => ({
  explainer,
  pieces: await suitePieces(out),
  hook,
  thinking_tokens: ask.thinking_tokens,
})

/**
 * Yields each label as soon as it is there.
 * @returns whether the cap stopped it, and what was used.
 * @throws Error where the key is missing; CallError where the server refuses all; the signal's reason.
 */
export async function* explainSuite(
  order: ExplainingOrder,
  due: readonly Unexplained[],
  options: AskingOptions,
): AsyncGenerator<ExplainingResult, AskingEnd, void> {
  const { signal, onProgress, hold = () => undefined, onLost } = options
  const { asker, lost } = await openSuiteAsker(order.ask, order.out, signal)
  if (lost !== undefined) onLost?.(lost)
  const entries = await entriesOf(order.out)
  const n = due.reduce((sum, { latents }) => sum + latents.length, 0)
  let n_done = 0
  const say = (message: string) => onProgress(message, n_done / n)
  const text =
    order.explainer === 'contrastive'
      ? await openSuiteText(order.out, { ...order, signal, hold, onProgress: say })
      : undefined
  try {
    for (const { sae, latents } of due) {
      const entry = entries.get(sae)!
      const { hook } = entry
      const [activity] = (await text?.activities([entry], 'explaining', say)) ?? []
      const file = await openLatents(entry.path)
      try {
        const { context } = file.info
        const records = async function* () {
          for (const latent of latents) {
            await hold()
            yield file.record(latent)
          }
        }
        const run = {
          ...(await explainOptions(order, entry)),
          signal,
          ...(activity && {
            near_misses: (record: LatentRecord) => nearMisses(record, activity, { hook, context }),
          }),
        }
        say(`labelling ${hook}`)
        for await (const event of explainLatents(records(), asker, run)) {
          if (event.type === 'done') {
            if (event.stopped !== undefined) return { capped: true, spent: asker.spent() }
            break
          }
          n_done++
          say(`labelling ${hook}: ${n_done} of ${n} latents`)
          const { type, ...said } = event
          yield 'text' in said
            ? { type: 'label', label: { sae, ...said } }
            : { type: 'unlabelled', sae, ...said }
        }
      } finally {
        await file.close()
      }
    }
    return { capped: false, spent: asker.spent() }
  } finally {
    await text?.close()
  }
}
