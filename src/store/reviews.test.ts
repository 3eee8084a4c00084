import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { agreement } from './agreement.ts'
import { type Database, openDatabase } from './database.ts'
import {
  addLabel,
  addLabels,
  labelById,
  labelsOf,
  retireLabel,
  suiteLabels,
  undoLabel,
} from './labels.ts'
import { latentChips, putLatents } from './latents.ts'
import { blindSample, reviewProgress, reviewQueue, saveReview, undoReview } from './reviews.ts'
import { removeSuite, upsertSae } from './suites.ts'
import type { LabelEntry, StoredLabel } from './types.ts'
import { addVotes, voteOnLabel } from './votes.ts'

const A = 'tiny~blocks.0.hook_resid_post~width_7~l0_3'
const B = 'tiny~blocks.1.hook_resid_post~width_7~l0_3'
let db: Database
beforeAll(async () => {
  db = await openDatabase('memory://')
})
afterAll(() => db.close())

/** Seven latents each at two sites, the last of them dead; density falls with the index, and is lower at the second site. */
beforeEach(async () => {
  await removeSuite(db, 'tiny')
  for (const [layer, id] of [A, B].entries()) {
    const hook = `blocks.${layer}.hook_resid_post`
    await upsertSae(db, { id, suite: 'tiny', hook, layer, d_in: 5, d_sae: 7, l0_target: 3 })
    const latents = Array.from({ length: 7 }, (_, index) => ({
      index,
      density: index === 6 ? 0 : (6 - index) / (10 + layer),
      n_active: 10,
      max_act: 2,
      mean_act: 1,
      top_tokens: [' a'],
      top_logits: [' b'],
    }))
    await putLatents(db, id, latents)
  }
})

const label = (latent: number, text: string, more: Partial<LabelEntry> = {}): LabelEntry => ({
  sae: A,
  latent,
  text,
  method: 'lexical',
  author: 'hooke lexical',
  evidence: '',
  ...more,
})
const byHand = (text: string, more: Partial<LabelEntry> = {}) =>
  addLabel(db, label(3, text, { method: 'manual', author: 'ann', ...more }))
const inForce = async (latent = 3) =>
  (await labelsOf(db, A, latent)).filter((l) => l.retired_at === undefined).map((l) => l.text)

describe('undo', () => {
  it('brings back the claim that was replaced, with its votes, one step after the other, and can be undone', async () => {
    const first = await byHand('sea')
    await voteOnLabel(db, first.id, { author: 'bob', agrees: true })
    const second = await byHand('seas')
    const third = await byHand('oceans')
    await byHand('by another', { author: 'bob' })
    expect(third.replaces).toBe(second.id)
    expect(await inForce()).toEqual(['by another', 'oceans'])
    await undoLabel(db, third.id)
    expect(await inForce()).toEqual(['by another', 'seas'])
    const labels = await undoLabel(db, second.id)
    expect(labels?.find(({ text }) => text === 'sea')).toMatchObject({
      votes: [{ author: 'bob', agrees: true }],
    })
    expect(await inForce()).toEqual(['by another', 'sea'])
    await undoLabel(db, third.id)
    expect(await inForce()).toEqual(['by another', 'oceans'])
    expect(await labelsOf(db, A, 3)).toHaveLength(4)
  })

  it('withdraws a first label, and knows no label that is not there', async () => {
    const { id } = await byHand('sea')
    await undoLabel(db, id)
    expect(await inForce()).toEqual([])
    await undoLabel(db, id)
    expect(await inForce()).toEqual(['sea'])
    expect(await undoLabel(db, 2 ** 31 - 1)).toBeUndefined()
  })
})

describe('votes', () => {
  it('keeps one an author, changed or taken back, and calls a label disputed that no more agree with than not', async () => {
    const { id } = await byHand('sea')
    const vote = async (author: string, agrees: boolean | undefined) =>
      (await voteOnLabel(db, id, { author, agrees }))?.disputed
    expect(await vote('ann', true)).toBeUndefined()
    expect(await vote('bob', false)).toBe(true)
    expect(await vote('eve', true)).toBeUndefined()
    expect(await vote('eve', false)).toBe(true)
    expect((await labelById(db, id))?.votes).toEqual([
      { author: 'ann', agrees: true },
      { author: 'bob', agrees: false },
      { author: 'eve', agrees: false },
    ])
    await vote('eve', undefined)
    await vote('bob', undefined)
    expect((await labelById(db, id))?.votes).toEqual([{ author: 'ann', agrees: true }])
    expect(await voteOnLabel(db, 2 ** 31 - 1, { author: 'ann', agrees: true })).toBeUndefined()
  })

  it('lets chips show an undisputed label before a disputed one that would rank above it', async () => {
    const { id } = await byHand('wrong')
    await addLabels(db, [label(3, 'from words')])
    await voteOnLabel(db, id, { author: 'bob', agrees: false })
    const [chip] = await latentChips(db, A, [3])
    expect(chip).toMatchObject({ label: 'from words', label_method: 'lexical' })
    expect(chip).not.toHaveProperty('label_disputed')
    expect(await inForce()).toEqual(['from words', 'wrong'])
    await voteOnLabel(db, (await labelsOf(db, A, 3))[0]!.id, { author: 'bob', agrees: false })
    expect((await latentChips(db, A, [3]))[0]).toMatchObject({
      label: 'wrong',
      label_disputed: true,
    })
  })

  it('takes votes from elsewhere where their label is, the last of two by one author', async () => {
    await addLabels(db, [label(1, 'x'), label(2, 'y')])
    const vote = (latent: number, author: string, agrees: boolean) => ({
      ...{ sae: A, latent, method: 'lexical', label_author: 'hooke lexical', author, agrees },
    })
    expect(await addVotes(db, [vote(1, 'ann', true), vote(5, 'ann', true)])).toBe(1)
    expect(await addVotes(db, [vote(1, 'ann', false), vote(1, 'bob', false)])).toBe(2)
    expect((await labelsOf(db, A, 1))[0]).toMatchObject({ disputed: true })
  })
})

const queued = async (more: object = {}) =>
  (await reviewQueue(db, { reviewer: 'ann', limit: 20, ...more })).map(
    ({ hook, index }) => `${hook[7]}/${index}`,
  )
const removeByHand = async (latent: number) => {
  const [{ id }] = (await labelsOf(db, A, latent)) as [StoredLabel]
  await retireLabel(db, id)
}
const decide = (latent: number, more: object = {}) =>
  saveReview(db, { sae: A, latent, reviewer: 'ann', blind: false, decision: 'skip', ...more })

describe('the queue', () => {
  const llm = { method: 'llm', author: 'm' } as const
  beforeEach(async () => {
    await addLabels(db, [
      ...[1, 2, 6].map((index) => label(index, 'a word')),
      label(2, 'night', { ...llm, score: 0.6 }),
      label(3, 'day', { ...llm, score: 0.9 }),
      label(4, 'unscored', llm),
      label(1, 'dawn', { ...llm, sae: B, score: 0.5 }),
      label(5, 'mine', { method: 'manual', author: 'ann' }),
      label(0, 'yours', { method: 'manual', author: 'bob' }),
    ])
  })

  it('puts the lowest score first, then what is not scored by use; dead latents and those without such a label not at all', async () => {
    expect(await queued()).toEqual(['1/1', '0/2', '0/3', '0/1', '0/4'])
    expect(await queued({ limit: 2 })).toEqual(['1/1', '0/2'])
    expect(await reviewProgress(db, { reviewer: 'ann' })).toEqual({ n_left: 5, n_done: 0 })
  })

  it('raises what people dispute, by the share of votes', async () => {
    const [unscored] = await labelsOf(db, A, 4)
    await voteOnLabel(db, unscored!.id, { author: 'bob', agrees: false })
    const [day] = await labelsOf(db, A, 3)
    await voteOnLabel(db, day!.id, { author: 'bob', agrees: false })
    await voteOnLabel(db, day!.id, { author: 'eve', agrees: true })
    await voteOnLabel(db, day!.id, { author: 'ann', agrees: true })
    expect(await queued()).toEqual(['0/4', '1/1', '0/2', '0/3', '0/1'])
    expect(
      (await reviewQueue(db, { reviewer: 'ann', limit: 4 })).map(({ doubt }) => doubt),
    ).toEqual([1, 0.5, 0.4, 1 / 3])
  })

  it('raises labels that differ in their words, people’s against all and language models’ against each other', async () => {
    const doubts = async (reviewer = 'eve') =>
      (await reviewQueue(db, { reviewer, limit: 20, sae: A })).flatMap(({ index, doubt, why }) =>
        doubt === undefined ? [] : [[index, doubt, why]],
      )
    expect(await doubts()).toEqual([
      [2, 0.4, 'score'],
      [3, expect.closeTo(0.1), 'score'],
    ])
    // Stems, without the words that say nothing: moon, phase; moon, light.
    await addLabels(db, [label(4, 'the phases of the moon', llm), label(4, 'words', llm)])
    await addLabel(db, label(4, 'the phases of the moon', llm))
    const other = await addLabel(db, label(4, 'a moon’s light', { method: 'llm', author: 'n' }))
    await byHand('a word', { latent: 1 })
    expect(await doubts()).toEqual([
      [2, 0.4, 'score'],
      [4, expect.closeTo((1 - 1 / 3) / 2), 'labels'],
      [3, expect.closeTo(0.1), 'score'],
      [1, 0, 'labels'],
    ])
    await byHand('something else', { latent: 1 })
    expect((await doubts())[0]).toEqual([1, 0.5, 'labels'])
    await undoLabel(db, other.id)
    await removeByHand(1)
    expect(await doubts()).toHaveLength(2)
  })

  it('raises what blind guesses differ from, until who guessed votes', async () => {
    const [day] = await labelsOf(db, A, 3)
    const guess = (reviewer: string, verdict: 'same' | 'partly' | 'different') =>
      decide(3, { reviewer, blind: true, guess: 'x', judgements: [{ label: day!.id, verdict }] })
    const doubt = async () => (await reviewQueue(db, { reviewer: 'eve', limit: 9, sae: A }))[0]
    await guess('bob', 'partly')
    expect(await doubt()).toMatchObject({ index: 2 })
    const { id } = await guess('cleo', 'different')
    await guess('dan', 'different')
    expect(await doubt()).toMatchObject({ index: 3, doubt: 2.5 / 3 / 2, why: 'guesses' })
    await undoReview(db, id)
    expect(await doubt()).toMatchObject({ index: 2, doubt: 0.4 })
    await voteOnLabel(db, day!.id, { author: 'dan', agrees: false })
    expect(await doubt()).toMatchObject({ index: 3, doubt: 1, why: 'votes' })
  })

  it('keeps to a suite, a site, a method, an author; what one wrote oneself is not put to one', async () => {
    expect(await queued({ sae: B })).toEqual(['1/1'])
    expect(await queued({ method: 'lexical' })).toEqual(['0/1', '0/2'])
    expect(await queued({ author: 'm' })).toEqual(['1/1', '0/2', '0/3', '0/4'])
    expect(await queued({ method: 'manual' })).toEqual(['0/0'])
    expect(await queued({ suite: 'other' })).toEqual([])
  })

  it('offers a latent once to each reviewer, and again when the decision is taken back', async () => {
    const { id } = await decide(2)
    expect(await queued()).toEqual(['1/1', '0/3', '0/1', '0/4'])
    expect(await queued({ reviewer: 'bob' })).toHaveLength(5)
    expect(await reviewProgress(db, { reviewer: 'ann' })).toEqual({ n_left: 4, n_done: 1 })
    await undoReview(db, id)
    expect(await queued()).toHaveLength(5)
  })

  it('draws blind ones at random from the same', async () => {
    const draw = () => blindSample(db, { reviewer: 'ann', limit: 20 })
    const names = (await draw()).map(({ sae, index }) => `${sae === A ? 0 : 1}/${index}`)
    expect(names.toSorted()).toEqual(['0/1', '0/2', '0/3', '0/4', '1/1'])
    expect((await draw())[0]).not.toHaveProperty('doubt')
    const firsts = new Set<string>()
    for (let i = 0; i < 40; i++) firsts.add(JSON.stringify((await draw())[0]))
    expect(firsts.size).toBeGreaterThan(1)
  })

  it('finds the few that carry such a label among many that do not', async () => {
    const names = new Set<string>()
    for (let i = 0; i < 30; i++)
      for (const { sae, index } of await blindSample(db, { reviewer: 'ann', limit: 1, ...llm }))
        names.add(`${sae === A ? 0 : 1}/${index}`)
    expect([...names].toSorted()).toEqual(['0/2', '0/3', '0/4', '1/1'])
  })
})

describe('a decision', () => {
  let lexical: StoredLabel
  beforeEach(async () => {
    await addLabels(db, [label(3, 'fog at sea')])
    ;[lexical] = (await labelsOf(db, A, 3)) as [StoredLabel]
  })
  const votes = async () => (await labelById(db, lexical.id))?.votes

  it('to accept or dispute is a vote; taken back, the vote before stands again', async () => {
    await voteOnLabel(db, lexical.id, { author: 'ann', agrees: true })
    const { id } = await decide(3, { decision: 'dispute', label: lexical.id })
    expect(await votes()).toEqual([{ author: 'ann', agrees: false }])
    expect(await undoReview(db, id)).toMatchObject({ decision: 'dispute', latent: 3, sae: A })
    expect(await votes()).toEqual([{ author: 'ann', agrees: true }])
    expect(await undoReview(db, id)).toBeUndefined()
  })

  it('to edit is a label by hand; taken back, what the reviewer said before is in force again', async () => {
    await byHand('mist')
    const { id, label } = await decide(3, { decision: 'edit', text: 'fog', guess: 'fog?' })
    expect(await inForce()).toEqual(['fog', 'fog at sea'])
    expect(await labelById(db, label!)).toMatchObject({ method: 'manual', author: 'ann' })
    await undoReview(db, id)
    expect(await inForce()).toEqual(['mist', 'fog at sea'])
  })

  it('is refused whole where its label is of another latent, withdrawn, or not named', async () => {
    const refused = expect.objectContaining({
      message: expect.stringContaining('label in force of latent'),
    })
    await expect(decide(2, { decision: 'accept', label: lexical.id })).rejects.toEqual(refused)
    await expect(decide(3, { decision: 'accept' })).rejects.toEqual(refused)
    await undoLabel(db, lexical.id)
    const judgements = [{ label: lexical.id, verdict: 'same' }]
    await expect(decide(3, { blind: true, guess: 'x', judgements })).rejects.toEqual(refused)
    expect(await reviewProgress(db, { reviewer: 'ann' })).toMatchObject({ n_done: 0 })
  })
})

it('measures agreement of blind guesses by method and author, with its interval', async () => {
  const llm = { method: 'llm', author: 'm' } as const
  for (const latent of [0, 1, 2]) await addLabels(db, [label(latent, 'the moon', llm)])
  await addLabels(db, [label(0, 'sun')])
  const blind = async (latent: number, verdicts: readonly ('same' | 'partly' | 'different')[]) => {
    const labels = await labelsOf(db, A, latent)
    const judgements = verdicts.map((verdict, i) => ({ label: labels[i]!.id, verdict }))
    return decide(latent, { blind: true, guess: 'moon', judgements })
  }
  await blind(0, ['same', 'different'])
  await blind(1, ['partly'])
  const last = await blind(2, ['different'])
  await decide(2, { guess: 'moon', reviewer: 'bob' })
  const [of_llm, of_lexical, ...others] = await agreement(db, { suite: 'tiny' })
  expect(others).toEqual([])
  expect(of_llm).toMatchObject({ method: 'llm', author: 'm', n: 3, n_reviewers: 1, n_overlap: 3 })
  expect(of_llm!.same.share).toBeCloseTo(1 / 3, 12)
  expect(of_llm!.at_least_partly.share).toBeCloseTo(2 / 3, 12)
  expect(of_llm!.overlap).toBeCloseTo(1 / 2, 12)
  expect(of_llm!.same.low).toBeGreaterThan(0)
  expect(of_llm!.same.high).toBeLessThan(1)
  expect(of_lexical).toMatchObject({ method: 'lexical', n: 1, overlap: 0, same: { share: 0 } })
  // Three guesses “moon”: “the moon” of another latent shares as much, “sun” nothing.
  expect(of_llm!.overlap_by_chance).toBeCloseTo(1 / 2, 12)
  expect(of_lexical).not.toHaveProperty('overlap_by_chance')
  const again = await blind(0, ['same', 'same'])
  expect(again).toMatchObject({ blind: false })
  expect((await agreement(db, { suite: 'tiny' }))[0]).toMatchObject({ n: 3 })
  await undoReview(db, last.id)
  expect((await agreement(db, { suite: 'tiny', method: 'llm' }))[0]).toMatchObject({ n: 2 })
  expect(await agreement(db, { suite: 'other' })).toEqual([])
})

it('reads the labels in force of a suite to the end, page by page', async () => {
  await byHand('gone')
  await byHand('here')
  const many = Array.from({ length: 1_400 }, (_, i) =>
    label(i % 7, `${i}`, { author: `m${i}`, sae: i % 2 ? A : B }),
  )
  await addLabels(db, many)
  const texts = []
  for await (const { text } of suiteLabels(db, 'tiny')) texts.push(text)
  expect(texts).toHaveLength(1_401)
  expect(new Set(texts)).toEqual(new Set(['here', ...many.map(({ text }) => text)]))
})
