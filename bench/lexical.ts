/**
 * How well lexical labels detect where their latents fire, in text that they were not made from: `node bench/lexical.ts SUITE
 * [latents] [text files]`. Random latents of all the suite's SAEs are labelled anew from their index, as `hooke label` does. Each
 * label is held against windows of documents that had no part in it, half of which hold an activation, as `hooke score --scorers
 * lexical` does; against silent windows that look like firing ones; and against the windows of another latent, which should give 0.5.
 */
import { readCorpus } from '../src/activations/index.ts'
import { resolveModel } from '../src/hub/index.ts'
import { readSuiteFile } from '../src/jobs/index.ts'
import {
  balancedAccuracy,
  type LexicalClaim,
  lexicalLabel,
  materialOf,
  nearMisses,
  predicts,
  readActivities,
  wordBackground,
} from '../src/label/index.ts'
import { openLatents } from '../src/latents/disk.ts'
import { type LatentExample, latentRecord } from '../src/latents/index.ts'
import { openModel } from '../src/model/index.ts'
import { listSuite, loadSae } from '../src/sae/disk.ts'
import { openRunner } from '../src/sae/index.ts'

const LEAST_EXAMPLES = 5
const [, , folder, n_text = '200', ...files] = process.argv
if (folder === undefined) {
  console.error('usage: npm run bench -- lexical SUITE [latents] [text files]')
  process.exit(2)
}
const suite = await readSuiteFile(folder)
const own_text = suite?.pipeline?.index_data ?? suite?.pipeline?.data
if (!suite || !own_text) throw new Error(`${folder} holds no suite made by hooke run`)

const model = await openModel(await resolveModel(suite.model.path))
const { pieces } = model.tokenizer!
const read = (names: readonly string[]) =>
  readCorpus(names, model.tokenizer!, { n_ctx: model.config.n_ctx })
const indexed = await read(own_text)
const corpus = files.length > 0 ? await read(files) : indexed
const documents = Array.from({ length: indexed.doc_start.length - 1 }, (_, d) =>
  indexed.ids.subarray(indexed.doc_start[d], indexed.doc_start[d + 1]),
)
const background = wordBackground(documents, pieces)

let state = 1
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return state / 2 ** 32
}

type Judged = {
  readonly claim: LexicalClaim
  readonly positives: readonly LatentExample[]
  readonly negatives: readonly LatentExample[]
  readonly near: readonly LatentExample[]
}

const judged: Judged[] = []
let n_lacking = 0
let label_ms = 0
const entries = await listSuite(folder)
for (const [at, entry] of entries.entries()) {
  const runner = await openRunner(await loadSae(entry.path))
  const [activity] = await readActivities(model, [runner], corpus, {
    half: 'scoring',
    n_tokens: 100_000,
  })
  if (!activity) throw new Error('nothing was read')
  await runner.close()
  const file = await openLatents(entry.path)
  const { info, columns } = await file.read().finally(() => file.close())
  const alive = Array.from(columns.n_active.keys()).filter((l) => columns.n_active[l]! > 0)
  const n =
    Math.floor(((at + 1) * +n_text) / entries.length) - Math.floor((at * +n_text) / entries.length)
  for (let i = 0; i < n && alive.length > 0; i++) {
    const [latent] = alive.splice(Math.floor(random() * alive.length), 1)
    const record = latentRecord(info, columns, latent!)
    const started = performance.now()
    const { claim } = lexicalLabel(record, { pieces, background, n_tokens: info.n_tokens })
    label_ms += performance.now() - started
    const { context } = info
    const { positives, negatives } = materialOf(record, activity, {
      n_examples: 20,
      context,
      seen: 'all',
    })
    if (!claim || Math.min(positives.length, negatives.length) < LEAST_EXAMPLES) n_lacking++
    else {
      const near = nearMisses(record, activity, { hook: entry.hook, context })
      judged.push({ claim, positives, negatives, near: near.map(({ example }) => example) })
    }
  }
}
await model.close()

type Windows = Pick<Judged, 'positives' | 'negatives'>
const scoreOf = (claim: LexicalClaim, { positives, negatives }: Windows) =>
  balancedAccuracy(
    [...positives, ...negatives].map((text) => predicts(claim, text, pieces)),
    [...positives.map(() => true), ...negatives.map(() => false)],
  )
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
function say(what: string, scores: readonly { value: number; low: number; high: number }[]): void {
  const values = scores.map(({ value }) => value).sort((a, b) => a - b)
  const n = values.length
  if (n < 2) {
    console.log(`${what}: ${n} labels, too few`)
    return
  }
  const mean = sum(values) / n
  const error = Math.sqrt(sum(values.map((v) => (v - mean) ** 2)) / (n - 1) / n)
  const at = (q: number) => values[Math.round(q * (n - 1))]!.toFixed(2)
  const width = sum(scores.map(({ low, high }) => (high - low) / 2)) / n
  console.log(
    `${what}: mean ${mean.toFixed(3)} ± ${(1.96 * error).toFixed(3)} over ${n} labels; tenths 1, 5, 9: ${at(0.1)}, ${at(0.5)}, ${at(0.9)}; above 0.7: ${((100 * values.filter((v) => v > 0.7).length) / n).toFixed(0)} %; one label's interval ± ${width.toFixed(2)}`,
  )
}

const strongOf = (texts: readonly LatentExample[]) => {
  const strongest = Math.max(...texts.map(({ values, peak }) => values[peak]!))
  return texts.filter(({ values, peak }) => values[peak]! > 0.6 * strongest)
}
say(
  'silent windows at random',
  judged.map((one) => scoreOf(one.claim, one)),
)
say(
  'activations above 0.6 of the strongest found',
  judged.map((one) => scoreOf(one.claim, { ...one, positives: strongOf(one.positives) })),
)
say(
  'silent windows that look like firing ones',
  judged
    .filter(({ near }) => near.length >= LEAST_EXAMPLES)
    .map((one) => scoreOf(one.claim, { ...one, negatives: one.near })),
)
say(
  "another latent's windows",
  judged.map(({ claim }, i) => scoreOf(claim, judged[(i + 1) % judged.length]!)),
)
console.log(
  `${n_lacking} latents fire on too few or too many windows; ${(label_ms / +n_text).toFixed(2)} ms a label`,
)
