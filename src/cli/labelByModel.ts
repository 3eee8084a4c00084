/** `hooke label --explainer pairs|contexts|contrastive`: labels by a language model, price first, nothing paid twice. */
import { resolve } from 'node:path'
import type { ExplainingOrder, Unexplained } from '../jobs/index.ts'
import type { ExplainerName } from '../label/index.ts'
import type { Database } from '../store/index.ts'
import {
  type AskFlags,
  askSettingsOf,
  confirmCost,
  renderCost,
  renderSpent,
  requireKey,
} from './askOptions.ts'
import { openProgress } from './terminal.ts'
import { openSuiteDatabase } from './workspace.ts'

export type LabelByModelFlags = AskFlags & {
  data?: string[]
  textColumn?: string
  tokens: number
  latents: number
  json?: boolean
}

/** @throws CliError as `askSettingsOf`, `confirmCost` and `requireKey`; CallError where the server refuses all. */
export async function labelByModel(
  suite: string,
  explainer: ExplainerName,
  flags: LabelByModelFlags,
  signal: AbortSignal,
): Promise<void> {
  const { unexplained } = await import('../jobs/index.ts')
  const ask = await askSettingsOf('label', flags)
  const order: ExplainingOrder = {
    out: resolve(suite),
    latents: flags.latents,
    explainer,
    data: flags.data,
    text_column: flags.textColumn,
    n_tokens: flags.tokens,
    ask,
  }
  const db = await openSuiteDatabase(suite)
  try {
    const due = await unexplained(db, order)
    const cost = await tellCost(order, due)
    if (flags.estimate || due.every(({ latents }) => latents.length === 0)) return
    confirmCost('label', cost, ask, flags)
    await requireKey('label', ask)
    await labelAndPrint(order, due, { db, json: flags.json ?? false, signal })
  } finally {
    await db.close()
  }
}

/** Says what labelling each SAE would ask and cost. @returns dollars over all, undefined where prices are not known. */
async function tellCost(
  order: ExplainingOrder,
  due: readonly Unexplained[],
): Promise<number | undefined> {
  const { estimateExplaining } = await import('../jobs/index.ts')
  let total: number | undefined
  for (const one of due) {
    const { cost, input_tokens, output_tokens } = await estimateExplaining(order, one)
    console.error(
      `${hookOf(one.sae)}: ${one.latents.length} latents to label (${one.n_labelled} are), about ${input_tokens} tokens in, ${output_tokens} out, ${cost === undefined ? 'price not known' : `about ${renderCost(cost)}`}`,
    )
    if (cost !== undefined) total = (total ?? 0) + cost
  }
  return total
}

async function labelAndPrint(
  order: ExplainingOrder,
  due: readonly Unexplained[],
  { db, json, signal }: { db: Database; json: boolean; signal: AbortSignal },
): Promise<void> {
  const { explainSuite } = await import('../jobs/index.ts')
  const { addLabel } = await import('../store/index.ts')
  const progress = openProgress()
  const events = explainSuite(order, due, {
    signal,
    onProgress: (message, share) => progress.update(message, share),
    onLost: (what) => console.error(what),
  })
  const n = { labelled: 0, failed: 0 }
  try {
    for (;;) {
      const next = await events.next()
      progress.clear()
      if (next.done) {
        console.error(`${n.labelled} labelled, ${n.failed} failed`)
        const { capped, spent } = next.value
        if (capped)
          console.error('stopped at --max-cost; raise it and run the same command to go on')
        if (spent) console.error(renderSpent(spent))
        return
      }
      const event = next.value
      if (event.type === 'unlabelled') {
        n.failed++
        console.error(`${hookOf(event.sae)}/${event.latent}: no label: ${event.error}`)
        continue
      }
      n.labelled++
      const { sae, latent, text, author } = event.label
      await addLabel(db, event.label)
      const name = `${hookOf(sae)}/${latent}`
      console.log(json ? JSON.stringify({ latent: name, text, author }) : `${name}: ${text}`)
    }
  } finally {
    progress.clear()
  }
}

/** Of `<suite>~<hook>~…`. */
const hookOf = (sae: string): string => sae.split('~')[1] ?? sae
