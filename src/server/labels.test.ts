/** Labels by people over HTTP: history, undo, votes, files, and the review queue. */
import { z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TINY_SAE as SAE, serveTiny, type TinyServer } from '../../test/tinyServer.ts'
import {
  Agreement,
  type Client,
  Label,
  LabelsImported,
  LatentView,
  Review,
  ReviewQueue,
} from '../api/index.ts'

let tiny: TinyServer
let api: Client
beforeAll(async () => {
  tiny = await serveTiny()
  ;({ api } = tiny)
})
afterAll(() => tiny.close())

const view = async (index: number) => LatentView.parse(await api.latent({ sae: SAE, index }))
const say = async (index: number, text: string, author = 'ann') =>
  Label.parse(await api.addLabel({ sae: SAE, index, text, author }))
const refusal = (status: number, words: RegExp) =>
  expect.objectContaining({ status, message: expect.stringMatching(words) })

it('undoes an edit: the claim before is in force again, and once more brings the edit back', async () => {
  await say(3, 'sea')
  const edit = await say(3, 'oceans')
  expect(await view(3)).toMatchObject({ label: 'oceans' })
  const labels = z.array(Label).parse(await api.undoLabel({ id: edit.id }))
  expect(labels[0]).toMatchObject({ text: 'sea', author: 'ann' })
  expect(await view(3)).toMatchObject({ label: 'sea', labels })
  await api.undoLabel({ id: edit.id })
  expect(await view(3)).toMatchObject({ label: 'oceans' })
  await expect(api.undoLabel({ id: 999_999 })).rejects.toEqual(refusal(404, /no label 999999/))
})

it('counts votes, one an author, and no longer shows what is disputed where there is another label', async () => {
  const { id, text } = await say(4, 'doubtful')
  const vote = async (author: string, vote: 'agree' | 'dispute' | 'none') =>
    Label.parse(await api.voteOnLabel({ id, author, vote }))
  expect(await vote('bob', 'agree')).toMatchObject({ votes: [{ author: 'bob', agrees: true }] })
  expect(await vote('bob', 'dispute')).toMatchObject({
    disputed: true,
    votes: [{ author: 'bob', agrees: false }],
  })
  const disputed = await view(4)
  expect(disputed.label).not.toBe(text)
  expect(disputed.label_method).toBe('lexical')
  expect(disputed.labels.find((label) => label.id === id)).toMatchObject({ disputed: true })
  expect(await vote('bob', 'none')).not.toHaveProperty('votes')
  expect(await view(4)).toMatchObject({ label: text })
  await expect(api.voteOnLabel({ id: 999_999, vote: 'agree' })).rejects.toEqual(
    refusal(404, /no label/),
  )
})

describe('files', () => {
  it('come back as they went, in both forms, and a second time add nothing', async () => {
    const { id } = await say(5, 'to be <b>carried</b> \u202e')
    await api.voteOnLabel({ id, author: 'bob', vote: 'dispute' })
    const lines = await api.exportLabels({ suite: 'tiny' })
    const rows = lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const { n_labelled } = (await api.workspace()).suites[0]!.saes.find((sae) => sae.id === SAE)!
    const here = rows.filter(({ sae }) => `tiny~${sae}` === SAE)
    expect(new Set(here.map(({ latent }) => latent)).size).toBe(n_labelled)
    expect(here.find(({ latent, method }) => latent === 5 && method === 'manual')).toMatchObject({
      text: 'to be <b>carried</b> \u202e',
      author: 'ann',
      votes: [{ author: 'bob', agrees: false }],
    })
    const again = LabelsImported.parse(await api.importLabels({ suite: 'tiny', lines }))
    expect(again).toMatchObject({ n_lines: rows.length, n_labels: 0 })
    await api.undoLabel({ id })
    const back = await api.importLabels({ suite: 'tiny', lines })
    expect(back).toMatchObject({ n_labels: 1 })
    expect((await view(5)).labels[1]).toMatchObject({ author: 'ann', disputed: true })

    const theirs = await api.exportLabels({ suite: 'tiny', format: 'neuronpedia' })
    expect(theirs.trim().split('\n')).toHaveLength(rows.length)
    expect(JSON.parse(theirs.split('\n')[0]!)).toMatchObject({ modelId: 'thimble-5m' })
    expect(await api.importLabels({ suite: 'tiny', lines: theirs })).toMatchObject({
      n_lines: rows.length,
    })
  })

  it('with a bad line are refused whole: line, found, expected', async () => {
    const good = { sae: 'blocks.4.hook_resid_post~width_64~l0_8', latent: 7, method: 'manual' }
    const bad = [
      { ...good, text: 'would be new', author: 'eve' },
      { ...good, text: 'x', author: 'eve', latent: 64 },
      { ...good, text: 'x', author: 'eve', sae: 'blocks.9.hook_resid_post~width_64~l0_8' },
      { ...good, text: '  ', author: 'eve' },
      { ...good, text: 'x', author: 7 },
      { layer: '9-other-res-1k', index: '3', description: 'x' },
    ]
    const lines = `${bad.map((row) => JSON.stringify(row)).join('\n')}\n\n{"sae"\n[1]\n`
    const refused = api.importLabels({ suite: 'tiny', lines })
    await expect(refused).rejects.toEqual(refusal(400, /7 of 8 lines cannot be imported, so none/))
    const { message } = await refused.then(
      () => ({ message: '' }),
      (error: Error) => error,
    )
    expect(message).toContain('line 2: latent is 64, expected 0 to 63')
    expect(message).toMatch(/line 3: names the SAE "blocks.9.*expected one of blocks\.1/)
    expect(message).toMatch(/line 4: text: /)
    expect(message).toMatch(/line 5: author: .*expected string/)
    expect(message).toContain('line 6: names the SAE "9-other-res-1k"')
    expect(message).toMatch(/line 8: .*JSON/)
    expect(message).toContain('line 9: is [1], expected a JSON object')
    expect((await view(7)).labels.some(({ author }) => author === 'eve')).toBe(false)
  })

  it('may name other SAEs where one is given for all lines, one file at a time, of any usual length', async () => {
    const row = { layer: '20-other-res-16k', index: '8', description: 'ships' }
    const line = JSON.stringify({ ...row, explanationModelName: 'a-model' })
    const lines = `${line}\n`.repeat(5_000)
    expect(lines.length).toBeGreaterThan(256 * 1024)
    const first = api.importLabels({ suite: 'tiny', lines, sae: SAE })
    await expect(
      Promise.all([first, api.importLabels({ suite: 'tiny', lines, sae: SAE })]),
    ).rejects.toEqual(refusal(503, /another file of labels is being read/))
    expect(await first).toEqual({ n_lines: 5_000, n_labels: 1, n_votes: 0 })
    expect((await view(8)).labels[0]).toMatchObject({ text: 'ships', author: 'a-model' })
    await expect(
      api.importLabels({ suite: 'tiny', lines, sae: SAE.replace('tiny', 'other') }),
    ).rejects.toEqual(refusal(404, /no SAE "other~/))
  })
})

it('shows a latent without a word that anybody said of it or its neighbours, to whoever is to guess', async () => {
  const { neighbours } = await view(3)
  await say(3, 'a telling word')
  for (const { index, sae } of neighbours.filter(({ sae }) => sae === SAE))
    await api.addLabel({ sae, index, text: 'a telling word', author: 'ann' })
  expect(JSON.stringify(await view(3))).toContain('a telling word')
  const blind = LatentView.parse(await api.latent({ sae: SAE, index: 3, labels: false }))
  expect(blind).toMatchObject({ index: 3, labels: [] })
  expect(blind.examples.length).toBeGreaterThan(0)
  expect(JSON.stringify(blind)).not.toMatch(/telling|label_method|lexical/)
})

describe('the review', () => {
  const queue = async (more: object = {}) =>
    ReviewQueue.parse(await api.reviewQueue({ reviewer: 'rea', limit: 100, sae: SAE, ...more }))

  it('leads from guess to decision, and every decision can be taken back', async () => {
    const before = await queue()
    expect(before.n_done).toBe(0)
    expect(before.items.length).toBe(before.n_left)
    // Where a person has said other words than the machine, it is put first.
    expect(before.items[0]).toMatchObject({ why: 'labels' })
    expect(before.items.slice(0, 5).map((item) => item.index)).toContain(5)
    const { index } = before.items.at(-1)!
    const label = (await view(index)).labels.find(({ method }) => method === 'lexical')!
    const review = { sae: SAE, latent: index, reviewer: 'rea' }
    const disputed = Review.parse(
      await api.saveReview({ ...review, decision: 'dispute', label: label.id, guess: 'my guess' }),
    )
    expect(await queue()).toMatchObject({ n_left: before.n_left - 1, n_done: 1 })
    expect((await view(index)).labels.find(({ id }) => id === label.id)?.disputed).toBe(true)
    expect(await queue({ reviewer: 'another' })).toMatchObject({
      items: [{ index, doubt: 1 }, ...Array(before.n_left - 1).fill({})],
    })
    await api.undoReview({ id: disputed.id })
    expect(await queue()).toEqual(before)
    await expect(api.undoReview({ id: disputed.id })).rejects.toEqual(refusal(404, /no review/))

    const edited = await api.saveReview({ ...review, decision: 'edit', text: 'better words' })
    expect(await view(index)).toMatchObject({ label: 'better words', label_method: 'manual' })
    await api.undoReview({ id: edited.id })
    expect((await view(index)).label).toBe(label.text)
  })

  it('asks for what a decision is about, and refuses what does not belong to it', async () => {
    const review = { sae: SAE, latent: 9, reviewer: 'rea' }
    const save = (more: object) => api.saveReview({ ...review, decision: 'skip', ...more })
    await expect(save({ decision: 'accept' })).rejects.toEqual(refusal(400, /label: goes with/))
    await expect(save({ label: 3 })).rejects.toEqual(refusal(400, /label: goes with/))
    await expect(save({ decision: 'edit' })).rejects.toEqual(refusal(400, /text: goes with edit/))
    const judgements = [{ label: 1, verdict: 'same' }]
    await expect(save({ judgements })).rejects.toEqual(refusal(400, /guess: is needed/))
    await expect(save({ latent: 64 })).rejects.toEqual(refusal(404, /0 to 63/))
    const other = (await view(10)).labels[0]!.id
    await expect(save({ decision: 'accept', label: other })).rejects.toEqual(
      refusal(400, /expected the number of a label in force of latent 9/),
    )
    expect(await queue()).toMatchObject({ n_done: 0 })
  })

  it('measures agreement blind, by method, with its interval', async () => {
    expect(await api.agreement({ suite: 'tiny' })).toEqual([])
    const { items } = await queue({ blind: true })
    for (const [at, verdict] of (['same', 'different'] as const).entries()) {
      const { index } = items[at]!
      const [label] = (await view(index)).labels.filter(({ method }) => method === 'lexical')
      const judgements = [{ label: label!.id, verdict }]
      const review = { sae: SAE, latent: index, reviewer: 'rea', guess: label!.text, blind: true }
      await api.saveReview({ ...review, decision: 'skip', judgements })
    }
    const measured = z.array(Agreement).parse(await api.agreement({ suite: 'tiny' }))
    expect(measured).toMatchObject([
      { method: 'lexical', n: 2, n_reviewers: 1, same: { share: 0.5 }, overlap: 1 },
    ])
    expect(measured[0]!.same.low).toBeGreaterThan(0.05)
    expect(measured[0]!.same.high).toBeLessThan(0.95)
  })
})
