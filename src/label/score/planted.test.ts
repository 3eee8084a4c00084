/**
 * Scores mean something: latents planted in real text, each firing on the words of one set and nowhere else. The judge is a server of
 * this test that knows the sets, and nothing of which texts are right.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { capture, partOf, readCorpus, type TokenCorpus } from '../../activations/index.ts'
import { resolveModel } from '../../hub/index.ts'
import type { LatentExample, LatentRecord } from '../../latents/index.ts'
import { type Model, openModel, openRandom } from '../../model/index.ts'
import { openRunner, type Sae } from '../../sae/index.ts'
import { type Asker, openAsker } from '../ask/asker.ts'
import {
  type Activity,
  chooseDocuments,
  type Half,
  isSilent,
  readActivities,
  windowAround,
} from '../examples/activity.ts'
import { type Material, materialOf } from '../examples/material.ts'
import { nearMisses } from '../examples/nearMisses.ts'
import { overlap, splitExamples } from '../examples/shown.ts'
import { pieceOf } from '../examples/text.ts'
import { writeSteered } from './generate.ts'
import { type ScorerName, scoreLabels } from './score.ts'
import type { Measured, Steered } from './types.ts'

const SETS: Readonly<Record<string, readonly string[]>> = {
  'words for water and what floats on it': ['water', 'sea', 'boat', 'ship', 'river'],
  'words for the dark hours': ['night', 'dark', 'moon', 'evening'],
  'words for ways into a house': ['door', 'window', 'gate', 'wall'],
  'names of colours': ['red', 'blue', 'green', 'white', 'black'],
}
const LABELS = Object.keys(SETS)
/** Words that are everywhere, of which no latent is made. */
const COMMON = 'small common words'
const WORDS: Readonly<Record<string, readonly string[]>> = {
  ...SETS,
  [COMMON]: ['the', 'and', 'of'],
}
const CONTEXT = 16

let model: Model
let corpus: TokenCorpus
let pieces: readonly string[]
let asker: Asker
let close: () => void
/** What the server was asked, by the kind of question. */
const asked: string[] = []

const wordsIn = (text: string): string[] => text.toLowerCase().match(/[a-z]+/g) ?? []
const speaksOf = (label: string, text: string): boolean =>
  wordsIn(text).some((word) => WORDS[label]?.includes(word))

/** An answer from the sets alone. */
function judge(system: string, user: string): unknown {
  const [, label = ''] = /^Description: (.*)$/m.exec(user) ?? []
  const texts = user.split('\n').flatMap((line) => /^\d+\. (.*)$/.exec(line)?.[1] ?? [])
  const marked = (text: string) =>
    [...text.matchAll(/<<(.*?)>>/g)].map(([, part]) => part ?? '').join(' ')
  if (system.includes('intruder')) {
    const setsOf = (text: string) => LABELS.filter((name) => speaksOf(name, marked(text)))
    const counts = Map.groupBy(texts.flatMap(setsOf), (name) => name)
    const [common] = [...counts].sort(([, a], [, b]) => b.length - a.length)[0] ?? ['']
    return { intruder: 1 + texts.findIndex((text) => !setsOf(text).includes(common)) }
  }
  if (user.includes('\nTokens:\n')) {
    const tokens = user.split('\n').flatMap((line) => /^(\d+)\t(.*)$/.exec(line)?.[2] ?? [])
    return { activations: tokens.map((text, i) => [i + 1, speaksOf(label, text) ? 10 : 0]) }
  }
  const shown = system.includes('<<') ? texts.map(marked) : texts
  return { answers: shown.map((text) => (speaksOf(label, text) ? 1 : 0)) }
}

/** One direction a set: a label is its own, a text what it holds of each beside much else. */
const embed = (text: string): number[] => {
  const is_label = LABELS.includes(text)
  const count = (name: string) => wordsIn(text).filter((word) => SETS[name]?.includes(word)).length
  return [
    is_label ? 0 : 5,
    ...LABELS.map((name) => (is_label ? Number(text === name) : count(name))),
  ]
}

beforeAll(async () => {
  const folder = await resolveModel('thimble-5m')
  model = await openModel(folder, { threads: 1 })
  pieces = model.tokenizer!.pieces
  corpus = await readCorpus([join(folder, 'anthology.txt')], model.tokenizer!, { n_ctx: 256 })
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const body = JSON.parse(text)
      response.writeHead(200, { 'content-type': 'application/json' })
      if (request.url?.endsWith('/embeddings')) {
        asked.push('embedding')
        const data = (body.input as string[]).map((input, index) => ({
          object: 'embedding',
          index,
          embedding: embed(input),
        }))
        response.end(JSON.stringify({ object: 'list', data, model: 'e' }))
        return
      }
      const [system, user] = body.messages as { content: string }[]
      asked.push('chat')
      const content = JSON.stringify(judge(system?.content ?? '', user?.content ?? ''))
      const message = { role: 'assistant', content }
      const choices = [{ index: 0, message, finish_reason: 'stop' }]
      response.end(JSON.stringify({ id: 'x', created: 0, model: 'j', choices }))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  asker = await openAsker({
    provider: 'compatible',
    base_url: `http://127.0.0.1:${port}/v1`,
    model: 'judge',
    embedding_model: 'e',
    concurrency: 8,
  })
  close = () => {
    server.closeAllConnections()
    server.close()
  }
})
afterAll(async () => {
  close()
  await model.close()
})

/** Where the words of the sets stand as one token: latent i fires on set i, by 1 to 3. */
function plantedActivity(half: Half): Activity {
  const chosen = chooseDocuments(corpus, { half, n_tokens: 1e6 })
  const { ids, doc_start } = chosen.corpus
  const piece = pieceOf(pieces)
  const found = LABELS.map(() => ({ token: [] as number[], value: [] as number[] }))
  for (const [at, id] of ids.entries()) {
    const doc = partOf(doc_start, at)
    const next = at + 1 < doc_start[doc + 1]! ? piece(ids[at + 1]) : ''
    const set = LABELS.findIndex((name) => SETS[name]?.includes(piece(id).trim().toLowerCase()))
    // A longer word that begins alike is another word.
    if (set < 0 || !/^\s/.test(piece(id)) || /^[a-z]/i.test(next)) continue
    found[set]!.token.push(at)
    found[set]!.value.push(1 + (at % 3))
  }
  return {
    ...chosen,
    n_tokens: ids.length,
    of: (latent) => ({
      token: Int32Array.from(found[latent]!.token),
      value: Float32Array.from(found[latent]!.value),
    }),
  }
}

/** What an index would hold: the strongest of both halves. */
function plantedRecord(latent: number, halves: readonly Activity[]): LatentRecord {
  const examples: LatentExample[] = halves.flatMap((activity) => {
    const firing = activity.of(latent)
    return Array.from(firing.token.subarray(0, 12), (at) =>
      windowAround(activity, firing, at, { context: CONTEXT, interval: 0 }),
    )
  })
  return {
    index: latent,
    density: 1e-3,
    n_active: 100,
    max_act: 3,
    mean_act: 2,
    histogram: { edges: [0, 3], counts: [100] },
    examples,
    top_logits: [],
    bottom_logits: [],
    neighbours: [{ hook: 'h', index: (latent + 1) % LABELS.length, cosine: 0.5 }],
  }
}

async function scoreOf(
  scorer: ScorerName,
  subject: { label: string; record: LatentRecord; material: Material; generated?: Steered },
): Promise<Measured> {
  const whole = { ...subject, pieces, name: `h/${subject.record.index}`, thinking_tokens: 0 }
  for await (const event of scoreLabels([{ id: 0, scorer, subject: whole }], asker)) {
    if (event.type === 'score') return event.score
    throw new Error(event.error)
  }
  throw new Error('no event')
}

describe('texts for scoring', () => {
  it('are not what the maker of the label has seen, and silent where they should be', () => {
    const [explaining, scoring] = [plantedActivity('explaining'), plantedActivity('scoring')]
    const docs = new Set(explaining.doc_of)
    expect(scoring.doc_of.some((doc) => docs.has(doc))).toBe(false)
    const record = plantedRecord(0, [explaining, scoring])
    const options = { n_examples: 20, context: CONTEXT }
    const { shown } = splitExamples(record)
    const share = materialOf(record, scoring, { ...options, seen: 'share' })
    expect(share.positives).toHaveLength(20)
    expect(share.negatives).toHaveLength(20)
    for (const e of share.positives) {
      expect(isSilent(e)).toBe(false)
      expect(shown.some((other) => overlap(e, other))).toBe(false)
    }
    const all = materialOf(record, scoring, { ...options, seen: 'all' })
    const seen = new Set(record.examples.map(({ doc }) => doc))
    expect(all.positives.length).toBeGreaterThan(10)
    expect(all.positives.some(({ doc }) => seen.has(doc))).toBe(false)
    expect(all.negatives.every(isSilent)).toBe(true)
    expect(materialOf(record, scoring, { ...options, seen: 'all' })).toEqual(all)

    const misses = nearMisses(record, explaining, { hook: 'h', context: CONTEXT })
    expect(misses.some(({ why }) => why === 'neighbour')).toBe(true)
    for (const { example } of misses) {
      expect(isSilent(example)).toBe(true)
      expect(docs.has(example.doc)).toBe(true)
    }
  })

  it('tell where latents fire as encoding the same documents one by one does', async () => {
    const sae = randomSae()
    const runner = await openRunner(sae, { threads: 1 })
    try {
      const options = { half: 'scoring', n_tokens: 1500 } as const
      const [found, twin] = await readActivities(model, [runner, runner], corpus, options)
      if (!found || !twin) throw new Error('no activities')
      expect(twin.of(3)).toEqual(found.of(3))
      const dense = new Map<string, number>()
      for await (const batch of capture(model, found.corpus, { hooks: [sae.hook_name] })) {
        const acts = await runner.encode(batch.acts.get(sae.hook_name)!)
        for (let row = 0; row < acts.n; row++)
          for (let e = acts.row_start[row]!; e < acts.row_start[row + 1]!; e++)
            dense.set(`${acts.index[e]} ${batch.token_index[row]}`, acts.value[e]!)
      }
      let n = 0
      for (let latent = 0; latent < sae.d_sae; latent++) {
        const { token, value } = found.of(latent)
        for (const [e, at] of token.entries()) {
          if (e > 0) expect(at).toBeGreaterThan(token[e - 1]!)
          expect(value[e]).toBe(dense.get(`${latent} ${at}`))
          n++
        }
      }
      expect(n).toBe(dense.size)
      expect(n).toBeGreaterThan(100)
    } finally {
      await runner.close()
    }
  })
})

describe('a judge who knows the planted sets', () => {
  let subjects: { record: LatentRecord; material: Material }[]
  beforeAll(() => {
    const halves = [plantedActivity('explaining'), plantedActivity('scoring')]
    subjects = LABELS.map((_, latent) => {
      const record = plantedRecord(latent, halves)
      const material = materialOf(record, halves[1]!, {
        n_examples: 30,
        context: CONTEXT,
        seen: 'share',
      })
      return { record, material }
    })
  })

  /** Scores of every latent under its own label, and under that of the next. */
  const both = (scorer: ScorerName) =>
    Promise.all(
      subjects.map(async (subject, i) => ({
        right: await scoreOf(scorer, { ...subject, label: LABELS[i]! }),
        wrong: await scoreOf(scorer, { ...subject, label: LABELS[(i + 1) % LABELS.length]! }),
      })),
    )

  it.each(['detection', 'fuzzing', 'embedding'] as const)(
    '%s is above 0.9 for a right label and near 0.5 for a wrong one',
    async (scorer) => {
      for (const { right, wrong } of await both(scorer)) {
        expect(right.value).toBeGreaterThan(0.9)
        expect(right.low).toBeGreaterThan(wrong.high)
        expect(right.n).toBeGreaterThanOrEqual(40)
        expect(Math.abs(wrong.value - 0.5)).toBeLessThan(0.12)
        expect(wrong.low).toBeLessThanOrEqual(0.5)
        expect(wrong.high).toBeGreaterThanOrEqual(0.5)
      }
    },
  )

  it('simulation correlates for a right label and not for a wrong one', async () => {
    for (const [i, subject] of subjects.entries()) {
      const right = await scoreOf('simulation', { ...subject, label: LABELS[i]! })
      // The planted activations differ by place, which no label says.
      expect(right.value).toBeGreaterThan(0.8)
      expect(right.low).toBeGreaterThan(0.5)
      const wrong = await scoreOf('simulation', { ...subject, label: COMMON })
      expect(Math.abs(wrong.value)).toBeLessThan(0.15)
      expect(wrong.n).toBe(12)
    }
    const silent = scoreOf('simulation', { ...subjects[0]!, label: 'what no text holds' })
    await expect(silent).rejects.toThrow('nothing can be measured')
  })

  it('intruder is found where the texts of a latent have a set in common', async () => {
    for (const subject of subjects) {
      const score = await scoreOf('intruder', { ...subject, label: '' })
      expect(score).toMatchObject({ measure: 'accuracy', chance: 0.2, n: 10 })
      expect(score.value).toBeGreaterThan(0.9)
    }
  })

  it('causal tells a latent that raises the words it is named for from one that raises others', async () => {
    const label = LABELS[0]!
    const record = { ...subjects[0]!.record, max_act: 40 }
    const generated = await writeSteered(
      model,
      { sae: await raisingSae(label), latent: 0, mode: 'add', strength: 2, max_act: 40 },
      new AbortController().signal,
    )
    expect(generated.plain).toHaveLength(10)
    const of = (name: string) =>
      scoreOf('causal', { ...subjects[0]!, record, label: name, generated })
    const [right, wrong] = [await of(label), await of(LABELS[3]!)]
    expect(right.value).toBeGreaterThan(0.9)
    expect(Math.abs(wrong.value - 0.5)).toBeLessThan(0.12)
  })
})

/** A latent of the last block whose direction is the mean unembedding of a set's words. */
async function raisingSae(label: string): Promise<Sae> {
  const U = await model.unembedding()
  const d = model.config.d_model
  const piece = pieceOf(pieces)
  const row = new Float32Array(d)
  for (let id = 0; id < pieces.length; id++) {
    const text = piece(id)
    if (!text.startsWith(' ') || !SETS[label]?.includes(text.trim())) continue
    for (let k = 0; k < d; k++) row[k]! += U[id * d + k]!
  }
  const norm = Math.hypot(...row)
  return {
    architecture: 'jumprelu',
    hook_name: `blocks.${model.config.n_layers - 1}.hook_resid_post`,
    d_in: d,
    d_sae: 1,
    W_enc: Float32Array.from(row, (x) => x / norm),
    b_enc: new Float32Array(1),
    W_dec: Float32Array.from(row, (x) => x / norm),
    b_dec: new Float32Array(d),
    threshold: new Float32Array(1),
    metadata: {},
  }
}

function randomSae(): Sae {
  const random = openRandom(3)
  const [d_in, d_sae] = [256, 5]
  const W_enc = Float32Array.from({ length: d_in * d_sae }, () => (random() - 0.5) / 8)
  const W_dec = Float32Array.from({ length: d_in * d_sae }, () => random() - 0.5)
  const zeros = () => new Float32Array(d_sae)
  return {
    architecture: 'jumprelu',
    hook_name: 'blocks.2.hook_resid_post',
    d_in,
    d_sae,
    W_enc,
    b_enc: zeros(),
    W_dec,
    b_dec: new Float32Array(d_in),
    threshold: zeros().fill(1),
    metadata: {},
  }
}
