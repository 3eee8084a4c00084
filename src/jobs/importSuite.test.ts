import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { temporaryFolder, tinyConfig } from '../../test/tinySuite.ts'
import { LATENTS_FILE } from '../latents/disk.ts'
import { listSuite } from '../sae/disk.ts'
import {
  addLabel,
  type Database,
  labelsOf,
  listLatents,
  listSaes,
  openDatabase,
} from '../store/index.ts'
import { importSuite } from './importSuite.ts'
import { LABELS_FILE } from './labelsFile.ts'
import { runPipeline } from './pipeline.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
let db: Database
const SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'

beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config)
  suite = config.out
  db = await openDatabase('memory://')
})
beforeEach(() => importSuite(db, suite))
afterAll(async () => {
  await db.close()
  await folder.remove()
})

const counts = async () => ({
  saes: (await listSaes(db)).map(({ id, state, n_labelled }) => ({ id, state, n_labelled })),
  latents: (await listLatents(db, SAE)).n_total,
  labels: (await labelsOf(db, SAE, 0)).length,
})

it('makes rows of every SAE and latent', async () => {
  const { saes, latents } = await counts()
  expect(saes.map(({ id }) => id)).toContain(SAE)
  expect(saes.every(({ state }) => state === 'labelled')).toBe(true)
  expect(latents).toBe(64)
})

it('gives the same rows when done again', async () => {
  const before = await counts()
  await importSuite(db, suite)
  expect(await counts()).toEqual(before)
})

it('shows an SAE whose training failed with its reason, until it is trained', async () => {
  const at = join(suite, 'blocks.4.hook_resid_post', 'width_64', 'l0_8')
  const aside = join(folder.path, 'aside')
  await cp(at, aside, { recursive: true })
  await rm(at, { recursive: true })
  const failed = { step: 5, reason: 'the loss is NaN', last_good_step: 4 }
  await mkdir(at)
  await writeFile(join(at, 'failed.json'), JSON.stringify(failed))
  await importSuite(db, suite, { training: true })
  const stateOf = async () => {
    const { state, failed } = (await listSaes(db)).find(({ id }) => id === SAE)!
    return { state, failed }
  }
  expect(await stateOf()).toEqual({ state: 'failed', failed })

  await writeFile(join(at, 'failed.json'), '{"step": "five"}')
  const [damage] = await importSuite(db, suite, { training: true })
  expect(damage!.message).toMatch(/failed\.json.*step/)

  await rm(at, { recursive: true })
  await cp(aside, at, { recursive: true })
  await importSuite(db, suite)
  expect(await stateOf()).toEqual({ state: 'labelled', failed: undefined })
})

it('shows tokens as pieces, not as ids', async () => {
  const { latents } = await listLatents(db, SAE, { sort: 'max_act', order: 'desc', limit: 5 })
  for (const { top_tokens } of latents) {
    expect(top_tokens.length).toBeGreaterThan(0)
    expect(top_tokens.join('')).not.toMatch(/^<\d+>/)
  }
})

it('keeps labels by hand, also when the automatic ones are made again', async () => {
  await addLabel(db, {
    sae: SAE,
    latent: 3,
    text: 'my own words',
    method: 'manual',
    author: 'me',
    evidence: 'seen',
  })
  const labels = [{ latent: 3, text: 'another', evidence: 'none' }]
  const path = join(suite, 'blocks.4.hook_resid_post', 'width_64', 'l0_8', LABELS_FILE)
  await writeFile(path, JSON.stringify({ method: 'lexical', author: 'hooke lexical', labels }))
  await importSuite(db, suite)
  const texts = (await labelsOf(db, SAE, 3)).filter((l) => !l.retired_at).map(({ text }) => text)
  expect(texts).toEqual(['my own words', 'another'])
})

it('shows SAEs of the plan that are not trained yet', async () => {
  const copy = join(folder.path, 'half')
  await cp(suite, copy, { recursive: true })
  await rm(join(copy, 'blocks.4.hook_resid_post'), { recursive: true })
  await importSuite(db, copy, { training: true })
  expect((await listSaes(db, 'half')).map(({ state }) => state)).toEqual(['labelled', 'training'])
  await importSuite(db, copy)
  expect((await listSaes(db, 'half')).map(({ state }) => state)).toEqual(['labelled', 'waiting'])
})

it('refuses a folder whose name would not fit into an address', async () => {
  await expect(importSuite(db, join(folder.path, 'a~b'))).rejects.toThrow('rename it')
})

it('costs only the damaged SAE, and only what its file says', async () => {
  const copy = join(folder.path, 'damaged')
  await cp(suite, copy, { recursive: true })
  const [first, ...others] = await listSuite(copy)
  await writeFile(join(first!.path, LABELS_FILE), '{{{')
  const damaged = await importSuite(db, copy)
  expect(damaged.map(({ message }) => message)).toEqual([
    expect.stringContaining(join(first!.path, LABELS_FILE)),
  ])
  const states = new Map((await listSaes(db, 'damaged')).map(({ hook, state }) => [hook, state]))
  expect(states.get(first!.hook)).toBe('indexed')
  expect(others.length).toBeGreaterThan(0)
  for (const { hook } of others) expect(states.get(hook)).toBe('labelled')
})

it('takes up a mended file at the next opening', async () => {
  const copy = join(folder.path, 'mended')
  await cp(suite, copy, { recursive: true })
  const [first] = await listSuite(copy)
  const path = join(first!.path, LATENTS_FILE)
  const whole = await readFile(path)
  await writeFile(path, whole.subarray(0, whole.length / 2))
  const state = async () =>
    (await listSaes(db, 'mended')).find(({ hook }) => hook === first!.hook)?.state
  expect(await importSuite(db, copy)).toHaveLength(1)
  expect(await state()).toBe('trained')
  await writeFile(path, whole)
  expect(await importSuite(db, copy)).toEqual([])
  expect(await state()).toBe('labelled')
})
