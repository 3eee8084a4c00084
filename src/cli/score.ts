/** `hooke score`: how well labels hold, on texts that nobody has seen. */
import { basename, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { DueLabel, ScoringOrder } from '../jobs/index.ts'
import type { ScorerName } from '../label/index.ts'
import type { Database, LabelMethod } from '../store/index.ts'
import {
  ASK_HELP,
  type AskFlags,
  addAskOptions,
  askSettingsOf,
  confirmCost,
  renderCost,
  renderSpent,
  requireKey,
} from './askOptions.ts'
import { CliError } from './errors.ts'
import { type Context, realNumber, TEXT_COLUMN, wholeNumber } from './options.ts'
import { openProgress, renderTable } from './terminal.ts'
import { openSuiteDatabase, parseLatent, suiteEntries } from './workspace.ts'

type Options = AskFlags & {
  scorers: ScorerName[]
  methods: LabelMethod[]
  latents: string
  data?: string[]
  textColumn?: string
  tokens: number
  examples: number
  strength: number
  json?: boolean
}

type Result = { readonly method: LabelMethod; readonly scorer: string; readonly value: number }

const SCORER_NAMES = [
  'lexical',
  'detection',
  'fuzzing',
  'simulation',
  'intruder',
  'embedding',
  'causal',
]
const METHODS = ['manual', 'llm', 'lexical']

export function addScoreCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('score')
    .summary('test labels on texts that their makers have not seen')
    .description(
      [
        'lexical     do the words that a lexical label names stand where it fires? Free   balanced accuracy',
        'detection   in which texts does the latent fire, by the label alone?           balanced accuracy',
        'fuzzing     are the marked tokens those of which the label speaks?             balanced accuracy',
        'simulation  how strongly on each token, by the label alone?                    correlation',
        "intruder    which text's marks do not belong? Asks of the latent, not the label  accuracy",
        'embedding   does the label lie nearer to texts on which the latent fires?      AUC',
        'causal      does what the label says appear where the latent is turned up?     balanced accuracy',
        '',
        'Each with its 95 % interval. The latents that fire most, and whose labels disagree most, come first; cheap scorers before dear ones. A call that fails leaves no score.',
        ASK_HELP,
      ].join('\n'),
    )
    .argument('<suite>', 'folder of the suite')
    .option('--scorers <names>', 'which, joined by commas', words(SCORER_NAMES), ['detection'])
    .option('--methods <names>', 'labels by whom: manual, llm, lexical', words(METHODS), METHODS)
    .option(
      '--latents <which>',
      'the n of each SAE that come first, or HOOK/INDEX joined by commas',
      '200',
    )
    .option('--data <files...>', "text to test on (default: the suite's own)")
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--tokens <n>', 'tokens of it to read', wholeNumber(1), 100_000)
    .option('--examples <n>', 'texts of each kind, firing and silent', wholeNumber(5, 200), 20)
    .option('--strength <s>', "causal: in units of the latent's maximum", realNumber(0, 100), 2)
    .option(
      '--embedding-model <id>',
      "for the embedding scorer (default: the sentence encoder of this machine that hooke embed used, else the provider's usual model)",
    )
  addAskOptions(command).action((suite: string, options: Options) => score(suite, options, signal))
}

/** Several of some words, joined by commas. */
function words<T extends string>(allowed: readonly T[]) {
  return (text: string): T[] => {
    const asked = text.split(',').map((word) => word.trim())
    const strange = asked.find((word) => !allowed.some((name) => name === word))
    if (strange !== undefined)
      throw new InvalidArgumentError(`${strange} is none of ${allowed.join(', ')}.`)
    return allowed.filter((name) => asked.includes(name))
  }
}

async function score(suite: string, options: Options, signal: AbortSignal): Promise<void> {
  const { dueLabels, isFree, localEncoder } = await import('../jobs/index.ts')
  const ask = await askSettingsOf('score', options)
  const asked = {
    out: resolve(suite),
    latents: await latentsOf(suite, options.latents),
    scorers: options.scorers,
    methods: options.methods,
    data: options.data,
    text_column: options.textColumn,
    n_tokens: options.tokens,
    n_examples: options.examples,
    strength: options.strength,
    ask,
  }
  const db = await openSuiteDatabase(suite)
  try {
    const encoder = options.embeddingModel === undefined ? await localEncoder(db) : undefined
    const order: ScoringOrder = { ...asked, encoder }
    const asking = options.scorers.filter((scorer) => !isFree(scorer, order))
    if (asking.includes('embedding') && ask.embedding_model === undefined)
      throw new CliError(
        'score: this provider has no embedding model. Leave embedding out of --scorers, ask another --provider, or embed the labels with a sentence encoder of this machine (hooke embed).',
      )
    const due = await dueLabels(db, order)
    if (due.length === 0) {
      console.error('nothing to score: no label of these latents lacks a score by these scorers')
      return
    }
    const cost = await tellCost(order, due)
    if (options.estimate) return
    confirmCost('score', cost, ask, options)
    if (asking.length > 0) await requireKey('score', ask)
    await scoreAndPrint(order, due, { db, json: options.json ?? false, signal })
  } finally {
    await db.close()
  }
}

/** The n that come first, or those that are named. */
async function latentsOf(suite: string, text: string): Promise<ScoringOrder['latents']> {
  const n = Number(text)
  if (Number.isInteger(n) && n > 0) return n
  const { saeId } = await import('../jobs/index.ts')
  const entries = await suiteEntries(suite)
  return text.split(',').map((name) => {
    const { entry, latent } = parseLatent(name, entries)
    return { sae: saeId(basename(resolve(suite)), entry), latent }
  })
}

/** Says what each scorer would ask and cost, cheapest first. @returns dollars over all, undefined where prices are not known. */
async function tellCost(
  order: ScoringOrder,
  due: readonly DueLabel[],
): Promise<number | undefined> {
  const { estimateScoring } = await import('../jobs/index.ts')
  let total: number | undefined
  for (const { scorer, n_labels, n_calls, cost, ...usage } of await estimateScoring(order, due)) {
    const price = cost === undefined ? 'price not known' : `about ${renderCost(cost)}`
    const asked = `about ${n_calls} calls, ${usage.input_tokens} tokens in, ${usage.output_tokens} out, ${price}`
    console.error(`${scorer}: ${n_labels} labels to score, ${n_calls === 0 ? 'free' : asked}`)
    if (cost !== undefined) total = (total ?? 0) + cost
  }
  return total
}

async function scoreAndPrint(
  order: ScoringOrder,
  due: readonly DueLabel[],
  { db, json, signal }: { db: Database; json: boolean; signal: AbortSignal },
): Promise<void> {
  const { scoreSuite } = await import('../jobs/index.ts')
  const { addScore } = await import('../store/index.ts')
  const progress = openProgress()
  const by_id = new Map(due.map((one) => [one.label.id, one]))
  const results: Result[] = []
  const events = scoreSuite(order, due, {
    signal,
    onProgress: (message, share) => progress.update(message, share),
    onLost: (what) => console.error(what),
  })
  try {
    for (;;) {
      const next = await events.next()
      progress.clear()
      if (next.done) {
        const { capped, spent } = next.value
        if (capped)
          console.error('stopped at --max-cost; raise it and run the same command to go on')
        if (results.length > 0 && !json) console.log(`\n${renderMeans(results)}`)
        if (spent) console.error(renderSpent(spent))
        return
      }
      const event = next.value
      const { sae, label } = by_id.get(event.type === 'score' ? event.score.label : event.label)!
      const { text, author, method } = label
      const latent = `${sae.split('~')[1]}/${label.latent}`
      if (event.type === 'failed') {
        console.error(`${latent}: "${text}" has no ${event.scorer} score: ${event.error}`)
        continue
      }
      const { label: _, judge, scorer, ...score } = event.score
      await addScore(db, event.score)
      results.push({ method, scorer, value: score.value })
      console.log(
        json
          ? JSON.stringify({ latent, text, author, scorer, judge, ...score })
          : `${latent}: ${scorer} ${score.value.toFixed(2)} (${score.low.toFixed(2)} to ${score.high.toFixed(2)}, ${score.n}): ${text}`,
      )
    }
  } finally {
    progress.clear()
  }
}

function renderMeans(results: readonly Result[]): string {
  const groups = Map.groupBy(results, ({ method, scorer }) => `${scorer} ${method}`)
  return renderTable(
    ['scorer', 'labels', 'n', 'mean'],
    [...groups.values()].map((group) => [
      group[0]?.scorer,
      group[0]?.method,
      group.length,
      (group.reduce((sum, { value }) => sum + value, 0) / group.length).toFixed(3),
    ]),
  )
}
