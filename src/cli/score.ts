/** `hooke score`: how well labels hold, on texts that nobody has seen. */
import { basename, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { Asker, Question, ScorerName, Steered, Subject, Task } from '../label/index.ts'
import type { LatentRecord } from '../latents/index.ts'
import type { Sae, SaeEntry } from '../sae/index.ts'
import type { ClaimedLabel, Database, LabelMethod } from '../store/index.ts'
import {
  ASK_HELP,
  type AskFlags,
  type Asking,
  addAskOptions,
  askingOf,
  confirmCost,
  renderCost,
  renderSpent,
} from './askOptions.ts'
import { CliError } from './errors.ts'
import { withLatents } from './labelByModel.ts'
import { type Context, realNumber, TEXT_COLUMN, wholeNumber } from './options.ts'
import { openSuiteText, piecesOf, type SuiteText } from './suiteText.ts'
import { openProgress, type Progress, renderTable } from './terminal.ts'
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

/** A label with all that its scoring needs. */
type Claim = {
  readonly label: ClaimedLabel
  readonly entry: SaeEntry
  readonly subject: Subject
  readonly priority: number
}

type Result = { readonly method: LabelMethod; readonly scorer: ScorerName; readonly value: number }

/** Names the judge of free scores. */
const NOBODY_ASKED = 'hooke'
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
/** Labels whose questions an estimate is made from. */
const N_SAMPLED = 20

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
      "for the embedding scorer (default: the provider's usual one)",
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
  const asking = await askingOf('score', options)
  if (options.scorers.includes('embedding') && asking.embedding_model === undefined)
    throw new CliError(
      'score: this provider has no embedding model. Leave embedding out of --scorers, or ask another --provider.',
    )
  const pieces = await piecesOf('score', suite)
  const db = await openSuiteDatabase(suite)
  const progress = openProgress()
  let text: SuiteText | undefined
  try {
    const wanted = await chooseLabels(suite, db, options, asking)
    if (wanted.size === 0) {
      console.error('nothing to score: no label of these latents lacks a score by these scorers')
      return
    }
    text = await openSuiteText(resolve(suite), { ...options, progress, signal })
    const claims: Claim[] = []
    for (const [entry, labels] of wanted)
      claims.push(...(await gather(entry, labels, { text, pieces, options })))
    claims.sort((a, b) => b.priority - a.priority)
    progress.clear()
    const cost = await tellCost(claims, options, asking)
    if (options.estimate) return
    confirmCost('score', cost, asking, options)
    const isFree = options.scorers.every((scorer) => scorer === 'lexical')
    const asker = isFree ? nobody : await asking.open(suite, signal)
    await scoreClaims(claims, { db, asker, asking, text, options, progress, signal })
    if (!isFree) console.error(renderSpent(asker.spent()))
  } finally {
    progress.clear()
    await text?.close()
    await db.close()
  }
}

const judgeOf = (scorer: ScorerName, { model, embedding_model }: Asking): string => {
  if (scorer === 'lexical') return NOBODY_ASKED
  return scorer === 'embedding' ? (embedding_model ?? '') : model
}

const lacks = ({ method, scored }: ClaimedLabel, scorer: ScorerName, asking: Asking): boolean =>
  (scorer !== 'lexical' || method === 'lexical') &&
  !scored.includes(`${scorer} ${judgeOf(scorer, asking)}`)

/** The labels of each SAE that come first and lack a score. */
async function chooseLabels(
  suite: string,
  db: Database,
  { latents, methods, scorers }: Options,
  asking: Asking,
): Promise<Map<SaeEntry, { label: ClaimedLabel; priority: number }[]>> {
  const { claimedLabels } = await import('../store/index.ts')
  const { priorityOf } = await import('../label/index.ts')
  const { saeId } = await import('../jobs/index.ts')
  const entries = await suiteEntries(suite)
  const n = Number(latents)
  const named =
    Number.isInteger(n) && n > 0
      ? undefined
      : latents.split(',').map((name) => parseLatent(name, entries))
  const chosen = new Map<SaeEntry, { label: ClaimedLabel; priority: number }[]>()
  for (const entry of entries) {
    const only = named?.filter((one) => one.entry === entry).map(({ latent }) => latent)
    if (only?.length === 0) continue
    const labels = await claimedLabels(db, saeId(basename(resolve(suite)), entry))
    const n_active = await withLatents(entry, (file) => file.column('n_active'))
    const groups = [...Map.groupBy(labels, ({ latent }) => latent)]
      .filter(([latent]) => n_active[latent]! > 0 && (only?.includes(latent) ?? true))
      .map(([latent, own]) => ({
        own,
        priority: priorityOf(
          n_active[latent]!,
          own.map((label) => label.text),
        ),
      }))
      .sort((a, b) => b.priority - a.priority)
    const found = groups.slice(0, named ? undefined : n).flatMap(({ own, priority }) =>
      own
        .filter(({ method }) => methods.includes(method))
        .filter((label) => scorers.some((scorer) => lacks(label, scorer, asking)))
        .map((label) => ({ label, priority })),
    )
    if (found.length > 0) chosen.set(entry, found)
  }
  return chosen
}

/** Finds the texts that the labels of one SAE are judged on. */
async function gather(
  entry: SaeEntry,
  labels: readonly { label: ClaimedLabel; priority: number }[],
  { text, pieces, options }: { text: SuiteText; pieces: readonly string[]; options: Options },
): Promise<Claim[]> {
  const { EXPLAINERS, materialOf } = await import('../label/index.ts')
  const { readLabelsFile } = await import('../jobs/index.ts')
  const in_file = new Map(
    (await readLabelsFile(entry.path))?.labels.map((each) => [each.latent, each]),
  )
  const activity = await text.activity(entry, 'scoring')
  const ours = Object.keys(EXPLAINERS).map((name) => `(${name})`)
  return withLatents(entry, async (file) => {
    const claims: Claim[] = []
    for (const { label, priority } of labels) {
      const record: LatentRecord = await file.record(label.latent)
      const saw_share = label.method === 'llm' && ours.some((name) => label.author.endsWith(name))
      const material = materialOf(record, activity, {
        n_examples: options.examples,
        context: file.info.context,
        index_corpus_hash: file.info.corpus_hash,
        seen: saw_share ? 'share' : 'all',
      })
      const name = `${entry.hook}/${label.latent}`
      const written = in_file.get(label.latent)
      const subject = {
        label: label.text,
        claim: written?.text === label.text ? written.claim : undefined,
        record,
        material,
        pieces,
        name,
        thinking_tokens: options.thinkingTokens,
      }
      claims.push({ label, entry, subject, priority })
    }
    return claims
  })
}

/** For an estimate nothing need be written: so long are steered texts. */
const STAND_IN: Steered = {
  plain: Array<string>(10).fill('x'.repeat(160)),
  steered: Array<string>(10).fill('x'.repeat(160)),
}

/** Says what each scorer would ask and cost, cheapest first. @returns dollars over all, undefined where prices are not known. */
async function tellCost(
  claims: readonly Claim[],
  { scorers }: Options,
  asking: Asking,
): Promise<number | undefined> {
  const { estimateCost, questionsOf } = await import('../label/index.ts')
  let total: number | undefined
  for (const scorer of await cheapestFirst(scorers)) {
    const due = claims.filter(({ label }) => lacks(label, scorer, asking))
    const sample = due.slice(0, N_SAMPLED)
    const questions: Question[] = sample.flatMap(({ label, subject }) =>
      questionsOf({ id: label.id, scorer, subject: { ...subject, generated: STAND_IN } }),
    )
    const n_sampled = sample.length
    const estimate = estimateCost(questions, { n_sampled, n: due.length, prices: asking.prices })
    const n_calls = n_sampled === 0 ? 0 : Math.ceil((questions.length / n_sampled) * due.length)
    console.error(
      `${scorer}: ${due.length} labels to score, about ${n_calls} calls, ${estimate.input_tokens} tokens in, ${estimate.output_tokens} out, ${estimate.cost === undefined ? 'price not known' : `about ${renderCost(estimate.cost)}`}`,
    )
    if (estimate.cost !== undefined) total = (total ?? 0) + estimate.cost
  }
  return total
}

/** Who is asked where no scorer asks. */
const nobody: Asker = {
  model: NOBODY_ASKED,
  concurrency: 1,
  prices: undefined,
  ask: () => Promise.reject(new Error('lexical scores ask nobody')),
  spent: () => ({ n_calls: 0, n_remembered: 0, input_tokens: 0, output_tokens: 0 }),
}

async function cheapestFirst(scorers: readonly ScorerName[]): Promise<ScorerName[]> {
  const { SCORERS } = await import('../label/index.ts')
  return (Object.keys(SCORERS) as ScorerName[]).filter((name) => scorers.includes(name))
}

type ScoreRun = {
  readonly db: Database
  readonly asker: Asker
  readonly asking: Asking
  readonly text: SuiteText
  readonly options: Options
  readonly progress: Progress
  readonly signal: AbortSignal
}

async function scoreClaims(claims: readonly Claim[], run: ScoreRun): Promise<void> {
  const { scoreLabels } = await import('../label/index.ts')
  const { addScore } = await import('../store/index.ts')
  const { db, asking, options, progress } = run
  const by_id = new Map(claims.map((claim) => [claim.label.id, claim]))
  const n_tasks = options.scorers.reduce(
    (n, scorer) => n + claims.filter(({ label }) => lacks(label, scorer, asking)).length,
    0,
  )
  const results: Result[] = []
  let n_done = 0
  const events = scoreLabels(tasksOf(claims, run), run.asker, run.signal)
  for (;;) {
    const next = await events.next()
    progress.clear()
    if (next.done) {
      if (next.value.stopped)
        console.error('stopped at --max-cost; raise it and run the same command to go on')
      break
    }
    const event = next.value
    const { label, subject } = by_id.get(event.id)!
    const { scorer } = event
    if (event.type === 'failed')
      console.error(`${subject.name}: "${label.text}" has no ${scorer} score: ${event.error}`)
    else {
      const { score } = event
      await addScore(db, { label: label.id, scorer, judge: judgeOf(scorer, asking), ...score })
      results.push({ method: label.method, scorer, value: score.value })
      const { text, author } = label
      console.log(
        options.json
          ? JSON.stringify({ latent: subject.name, text, author, scorer, ...score })
          : `${subject.name}: ${scorer} ${score.value.toFixed(2)} (${score.low.toFixed(2)} to ${score.high.toFixed(2)}, ${score.n}): ${text}`,
      )
    }
    progress.update(`scoring: ${++n_done} of ${n_tasks}`, n_done / n_tasks)
  }
  progress.clear()
  if (results.length > 0 && !options.json) console.log(`\n${renderMeans(results)}`)
}

/** Cheap scorers first, within each the labels of highest priority. */
async function* tasksOf(
  claims: readonly Claim[],
  { asking, text, options, signal }: ScoreRun,
): AsyncGenerator<Task> {
  const { writeSteered } = await import('../label/index.ts')
  const { loadSae } = await import('../sae/disk.ts')
  let loaded: { path: string; sae: Sae } | undefined
  for (const scorer of await cheapestFirst(options.scorers))
    for (const { label, entry, subject } of claims) {
      if (!lacks(label, scorer, asking)) continue
      if (scorer !== 'causal') {
        yield { id: label.id, scorer, subject }
        continue
      }
      if (loaded?.path !== entry.path) loaded = { path: entry.path, sae: await loadSae(entry.path) }
      const { index: latent, max_act } = subject.record
      const generated = await writeSteered(
        text.model,
        { sae: loaded.sae, latent, mode: 'add', strength: options.strength, max_act },
        signal,
      )
      yield { id: label.id, scorer, subject: { ...subject, generated } }
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
