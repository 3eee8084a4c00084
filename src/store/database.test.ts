import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from './database.ts'
import { addLabel, addLabels, labelledLatents, labelsOf, retireLabel } from './labels.ts'
import { chipsOf, latentChips, listLatents, putLatents } from './latents.ts'
import { addPoints, createRun, getRun, listRuns, pointsOf, suitePoints, updateRun } from './runs.ts'
import {
  getSae,
  listSaes,
  listSuites,
  removeSuite,
  saesOf,
  setSaeMetrics,
  setSaeState,
  upsertSae,
  upsertSuite,
} from './suites.ts'
import type { LabelEntry, LatentEntry } from './types.ts'

const HOOK = 'blocks.1.hook_resid_post'
const SAE = `tiny~${HOOK}~width_7~l0_3`
const HOSTILE = `it's "100%" \\ _ $1 '); drop table hooke.labels; -- ☃ 𝕏 \u202e\n`

const entry = (id = SAE, suite = 'tiny') => ({
  id,
  suite,
  hook: HOOK,
  layer: 1,
  d_in: 5,
  d_sae: 7,
  l0_target: 3,
})
const latent = (index: number, more: Partial<LatentEntry> = {}): LatentEntry => ({
  index,
  density: 0.1,
  n_active: 10,
  max_act: 2,
  mean_act: 1,
  top_tokens: [' a'],
  top_logits: [' b'],
  ...more,
})
const label = (index: number, text: string, more: Partial<LabelEntry> = {}): LabelEntry => ({
  sae: SAE,
  latent: index,
  text,
  method: 'lexical',
  author: 'hooke lexical',
  evidence: 'seen',
  ...more,
})
const point = (step: number, l0 = 1) => ({
  sae: SAE,
  step,
  n_steps: 9,
  n_tokens: 100 * step,
  mse: 0.5,
  aux_loss: 0.25,
  lambda: 0.125,
  sparsity_loss: 0.1,
  l0,
  fvu: 0.3,
  dead: 0,
  tokens_per_s: 1e6,
})

const root = await mkdtemp(join(tmpdir(), 'hooke-store-'))
const server = process.env.TEST_DATABASE_URL
const fresh = `hooke_test_${process.pid}`
if (!server)
  console.info('Skipped: the store on a Postgres server, because TEST_DATABASE_URL is not set.')

afterAll(async () => {
  await rm(root, { recursive: true })
  await onServer(`drop database if exists ${fresh}`)
})

async function onServer(sql: string): Promise<void> {
  if (!server) return
  const client = new Client({ connectionString: server })
  await client.connect()
  await client.query(sql)
  await client.end()
}

const backends = [
  { name: 'PGlite in memory', open: () => openDatabase('memory://'), keeps: false },
  { name: 'PGlite in a folder', open: () => openDatabase(join(root, 'db')), keeps: true },
  ...(server
    ? [
        {
          name: 'a Postgres server',
          keeps: true,
          open: () => {
            const url = new URL(server)
            url.pathname = `/${fresh}`
            return openDatabase(url.href)
          },
        },
      ]
    : []),
]

describe.each(backends)('the store on $name', ({ name, open, keeps }) => {
  let db: Database
  beforeAll(async () => {
    if (name === 'a Postgres server') await onServer(`create database ${fresh}`)
    db = await open()
    await upsertSae(db, entry())
  })
  afterAll(() => db.close())

  it('keeps suites and SAEs, in the order of the pass, and changes only what is given', async () => {
    await upsertSae(db, {
      ...entry(`tiny~hook_embed~width_7~l0_3`),
      hook: 'hook_embed',
      layer: undefined,
    })
    await upsertSuite(db, 'bare', { model: HOSTILE })
    await setSaeMetrics(
      db,
      SAE,
      { n_tokens: 10, l0: 2.5, fvu: 0.25, dead: 0 },
      { edges: [-1, 0], counts: [3] },
    )
    await setSaeMetrics(db, SAE, { n_tokens: 20, l0: 2.5, fvu: 0.5 })
    await setSaeState(db, SAE, 'trained')
    await upsertSae(db, { ...entry(), d_in: 11 })
    expect((await listSaes(db)).map(({ hook }) => hook)).toEqual(['hook_embed', HOOK])
    expect((await listSaes(db)).find(({ id }) => id === SAE)).toEqual({
      ...entry(),
      d_in: 11,
      state: 'trained',
      metrics: { n_tokens: 20, l0: 2.5, fvu: 0.5 },
      density_histogram: { edges: [-1, 0], counts: [3] },
      n_labelled: 0,
    })
    const { n_labelled: _, ...uncounted } = (await listSaes(db)).find(({ id }) => id === SAE)!
    expect(await getSae(db, SAE)).toEqual(uncounted)
    expect((await saesOf(db, 'tiny')).map(({ hook }) => hook)).toEqual(['hook_embed', HOOK])
    expect((await listSuites(db)).map(({ name, saes }) => [name, saes.length])).toEqual([
      ['bare', 0],
      ['tiny', 2],
    ])
    expect(await getSae(db, 'none')).toBeUndefined()
    await expect(setSaeState(db, 'none', 'trained')).rejects.toThrow(/no SAE "none"/)
    await removeSuite(db, 'bare')
    expect(await listSuites(db)).toHaveLength(1)
  })

  it('keeps latents, sorts them by each column both ways, and counts repeated tokens', async () => {
    await putLatents(db, SAE, [
      latent(0, { density: 0.5, max_act: 1, top_tokens: [' x', ' y', ' y'] }),
      latent(1, { density: 0.1, max_act: 3 }),
      latent(2, { density: 0.1, max_act: 2, top_tokens: [HOSTILE, 'nul\0', 'half\ud800'] }),
    ])
    const order = async (sort: 'index' | 'density' | 'max_act', direction: 'asc' | 'desc') =>
      (await listLatents(db, SAE, { sort, order: direction })).latents.map(({ index }) => index)
    expect(await order('index', 'desc')).toEqual([2, 1, 0])
    expect(await order('density', 'asc')).toEqual([1, 2, 0])
    expect(await order('density', 'desc')).toEqual([0, 2, 1])
    expect(await order('max_act', 'asc')).toEqual([0, 2, 1])
    const page = await listLatents(db, SAE, { offset: 1, limit: 1 })
    expect(page).toEqual({
      n_total: 3,
      latents: [
        expect.objectContaining({ sae: SAE, hook: HOOK, index: 1, density: 0.1, max_act: 3 }),
      ],
    })
    const all = (await listLatents(db, SAE)).latents
    expect(all[0]?.top_tokens).toEqual([' y', ' x'])
    expect(all[2]?.top_tokens).toEqual([HOSTILE, 'nul\u2400', 'half\ufffd'])
    await expect(putLatents(db, SAE, [latent(0, { max_act: Number.NaN })])).rejects.toThrow(
      /max_act NaN/,
    )
  })

  it('replaces latents that come again, however many', async () => {
    const many = `tiny~${HOOK}~width_3k~l0_3`
    await upsertSae(db, { ...entry(many), d_sae: 3001 })
    for (const max_act of [1, 2])
      await putLatents(
        db,
        many,
        (function* () {
          for (let index = 0; index < 3001; index++) yield latent(index, { max_act })
        })(),
      )
    const { n_total, latents } = await listLatents(db, many, {
      sort: 'max_act',
      order: 'asc',
      limit: 1,
    })
    expect([n_total, latents[0]?.max_act]).toEqual([3001, 2])
  })

  it('shows manual before llm before lexical labels, newest first, and keeps what is retired as history', async () => {
    const shown = async () =>
      (await latentChips(db, SAE, [1])).map((chip) => [chip.label, chip.label_method])
    expect(await shown()).toEqual([[undefined, undefined]])
    const lexical = await addLabel(db, label(1, 'lexical'))
    const manual = await addLabel(
      db,
      label(1, 'first', { method: 'manual', author: 'me', score: 0.5, score_method: 'hand' }),
    )
    await addLabel(db, label(1, 'llm', { method: 'llm', author: 'gpt' }))
    expect(await shown()).toEqual([['first', 'manual']])
    await addLabel(db, label(1, 'other', { method: 'manual', author: 'you' }))
    expect(await shown()).toEqual([['other', 'manual']])
    const edited = await addLabel(db, label(1, 'edited', { method: 'manual', author: 'me' }))
    expect(await shown()).toEqual([['edited', 'manual']])
    const all = await labelsOf(db, SAE, 1)
    expect(all.map(({ text, retired_at }) => [text, retired_at !== undefined])).toEqual([
      ['edited', false],
      ['other', false],
      ['llm', false],
      ['lexical', false],
      ['first', true],
    ])
    expect(all.at(-1)).toEqual({ ...manual, retired_at: expect.stringMatching(/^\d{4}-.*Z$/) })
    expect(manual).toMatchObject({ score: 0.5, score_method: 'hand', sae: SAE, latent: 1 })

    expect(await retireLabel(db, edited.id)).toMatchObject({
      text: 'edited',
      retired_at: expect.any(String),
    })
    const once = await retireLabel(db, lexical.id)
    expect(await retireLabel(db, lexical.id)).toEqual(once)
    expect(await retireLabel(db, 1_000_000)).toBeUndefined()
    expect(await shown()).toEqual([['other', 'manual']])
    expect(await listSaes(db)).toContainEqual(expect.objectContaining({ id: SAE, n_labelled: 1 }))
  })

  it('enters labels in bulk, the last of two for one latent, and adds no history where nothing changed', async () => {
    const bulk = [
      label(3, 'a'),
      label(4, 'b'),
      label(3, 'c'),
      label(5, 'd', { method: 'llm', author: 'gpt' }),
    ]
    expect(await addLabels(db, bulk)).toBe(3)
    expect(await addLabels(db, bulk)).toBe(0)
    expect(await addLabels(db, [label(4, 'b2'), label(3, 'c')])).toBe(1)
    expect((await labelsOf(db, SAE, 4)).map(({ text }) => text)).toEqual(['b2', 'b'])
    expect(await labelledLatents(db, SAE, 'lexical')).toEqual([3, 4])
    expect(await labelledLatents(db, SAE, 'llm', 'gpt')).toEqual([1, 5])
    expect(await labelledLatents(db, SAE, 'llm', 'other')).toEqual([])
  })

  it('keeps hostile text as it is, NUL and halves of pairs replaced, and refuses empty labels and wrong latents', async () => {
    const kept = await addLabel(db, label(6, HOSTILE, { author: `o'"me\0` }))
    expect([kept.text, kept.author]).toEqual([HOSTILE.trim(), `o'"me\u2400`])
    expect((await addLabel(db, label(6, 'a\0b\ud800'))).text).toBe('a\u2400b\ufffd')
    await expect(addLabel(db, label(6, ' \n'))).rejects.toThrow(/empty/)
    await expect(addLabel(db, label(7, 'x'))).rejects.toThrow(/expected 0 to 6/)
    await expect(addLabel(db, label(0, 'x', { sae: 'none' }))).rejects.toThrow(/no SAE "none"/)
  })

  it('gives chips in the order asked for, across SAEs, also of latents that were not indexed', async () => {
    const chips = await chipsOf(db, [
      { sae: SAE, index: 6 },
      { sae: 'none', index: 1 },
      { sae: SAE, index: 0 },
    ])
    expect(chips.map(({ index, density }) => [index, density])).toEqual([
      [6, undefined],
      [0, 0.5],
    ])
    expect(await chipsOf(db, [])).toEqual([])
  })

  it('follows a run from order to end, and starts it anew', async () => {
    const { id } = await createRun(db, { kind: 'train', suite: 'tiny' })
    expect(await getRun(db, id)).toEqual({
      id,
      kind: 'train',
      suite: 'tiny',
      state: 'queued',
      message: 'waiting',
      progress: 0,
    })
    const running = await updateRun(db, id, {
      state: 'running',
      progress: 0.5,
      remaining_ms: 1500,
      message: HOSTILE,
    })
    expect(running).toMatchObject({
      state: 'running',
      progress: 0.5,
      remaining_ms: 1500,
      message: HOSTILE,
    })
    expect(await updateRun(db, id, { progress: 7 })).toEqual({ ...running, progress: 1 })
    const failed = await updateRun(db, id, { state: 'failed', error: 'disk full' })
    expect(failed).toMatchObject({
      state: 'failed',
      error: 'disk full',
      started_at: running.started_at,
      ended_at: expect.any(String),
    })
    expect(failed).not.toHaveProperty('remaining_ms')
    const paused = await updateRun(db, id, { state: 'paused' })
    expect(paused).toMatchObject({ state: 'paused', started_at: running.started_at })
    for (const gone of ['error', 'ended_at']) expect(paused).not.toHaveProperty(gone)
    const second = await createRun(db, { id: 'mine', kind: 'demo', message: 'soon' })
    expect((await listRuns(db)).map((run) => run.id)).toEqual([second.id, id])
    expect(await getRun(db, 'none')).toBeUndefined()
    await expect(updateRun(db, 'none', {})).rejects.toThrow(/no run "none"/)
  })

  it('keeps points by step; one that comes again counts', async () => {
    const { id } = await createRun(db, { kind: 'train' })
    await addPoints(db, id, [point(2), point(1), point(2, 5)])
    await addPoints(db, id, [point(1, 7)])
    expect(await pointsOf(db, id)).toEqual([point(1, 7), point(2, 5)])
    expect(await pointsOf(db, id, 'none')).toEqual([])
  })

  it('keeps the points of an earlier version, which lack two losses', async () => {
    const { id } = await createRun(db, { kind: 'train' })
    const { aux_loss: _a, lambda: _l, ...old } = point(3)
    await addPoints(db, id, [old])
    expect(await pointsOf(db, id)).toEqual([old])
  })

  it('joins the points of all runs of a suite; of a step measured twice the later run’s', async () => {
    const first = await createRun(db, { kind: 'train', suite: 'joined' })
    await addPoints(db, first.id, [point(1, 3), point(2, 4)])
    await updateRun(db, first.id, { state: 'stopped' })
    const second = await createRun(db, { kind: 'train', suite: 'joined' })
    await addPoints(db, second.id, [point(2, 5), point(3, 6)])
    const { ended_at } = await updateRun(db, second.id, { state: 'done' })
    await addPoints(db, (await createRun(db, { kind: 'train', suite: 'other' })).id, [point(7)])
    const l0 = async (since?: string) => (await suitePoints(db, 'joined', since)).map((p) => p.l0)
    expect(await l0()).toEqual([3, 5, 6])
    expect(await l0(ended_at)).toEqual([5, 6])
    expect(await l0(new Date(Date.parse(ended_at!) + 1000).toISOString())).toEqual([])
  })

  it('says of an SAE why its training failed, until it is in another state', async () => {
    const failed = { step: 7, reason: HOSTILE, last_good_step: 5 }
    await setSaeState(db, SAE, 'failed', failed)
    expect(await getSae(db, SAE)).toMatchObject({ state: 'failed', failed })
    await setSaeState(db, SAE, 'trained')
    expect(await getSae(db, SAE)).not.toHaveProperty('failed')
  })

  it('undoes a transaction that throws', async () => {
    await expect(
      db.transaction(async (tx) => {
        await upsertSuite(tx, 'half')
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect((await listSuites(db)).map(({ name }) => name)).not.toContain('half')
  })

  it('carries a queue of pg-boss', async () => {
    const boss = new PgBoss({ ...db.boss })
    await boss.start()
    await boss.createQueue('work')
    await boss.send('work', { n: 3 })
    expect((await boss.fetch<{ n: number }>('work'))[0]?.data).toEqual({ n: 3 })
    await boss.stop({ graceful: false })
  })

  it.runIf(keeps)(
    'is all there when it is opened again, and its tables are not made twice',
    async () => {
      await db.close()
      db = await open()
      expect((await labelsOf(db, SAE, 1)).length).toBe(5)
      expect(await db.query('select version from hooke.migrations')).toEqual([
        { version: 1 },
        { version: 2 },
        { version: 3 },
        { version: 4 },
        { version: 5 },
        { version: 6 },
        { version: 7 },
      ])
    },
  )

  it.runIf(keeps)('refuses tables of a later version', async () => {
    await db.query("insert into hooke.migrations (version, name) values (99, 'later')")
    await db.close()
    await expect(open()).rejects.toThrow(/version 99.*Update Hooke/)
    // Leaves it as it was for whatever runs next; the open that was refused let go of its lock.
    db = await reopenPast(name, open)
  })
})

/** Opens the folder without migrating, to take the later version out again. */
async function reopenPast(name: string, open: () => Promise<Database>): Promise<Database> {
  if (name === 'a Postgres server') {
    const client = new Client({
      connectionString: Object.assign(new URL(server ?? ''), { pathname: `/${fresh}` }).href,
    })
    await client.connect()
    await client.query('delete from hooke.migrations where version = 99')
    await client.end()
  } else {
    const { openEmbedded } = await import('./embedded.ts')
    const raw = await openEmbedded(join(root, 'db'))
    await raw.query('delete from hooke.migrations where version = 99')
    await raw.close()
  }
  return open()
}

describe('a first import', () => {
  it('reads no more for a label than for those before it, though there are no statistics', async () => {
    const db = await openDatabase('memory://')
    const half = 2000
    await upsertSae(db, { ...entry(), d_sae: 2 * half })
    /** Rows of labels read so far. */
    const read = async (): Promise<number> => {
      await db.query('select pg_stat_force_next_flush()')
      const [row] = await db.query<{ n: number }>(
        `select (sum(i.idx_tup_read) + max(t.seq_tup_read))::int as n from pg_stat_user_tables t
         join pg_stat_user_indexes i on i.relid = t.relid where t.schemaname = 'hooke' and t.relname = 'labels'`,
      )
      return row!.n
    }
    const labels = Array.from({ length: 2 * half }, (_, i) => label(i, `word ${i}`))
    expect(await addLabels(db, labels.slice(0, half))).toBe(half)
    const before = await read()
    expect(await addLabels(db, labels.slice(half))).toBe(half)
    expect((await read()) - before).toBeLessThan(2 * half)
    await db.close()
  })
})

describe('the lock beside an embedded database', () => {
  const lock = join(root, 'locked.lock')
  const location = join(root, 'locked')

  it('tells who holds the folder and what to do, and is gone after closing', async () => {
    const db = await openDatabase(location)
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ pid: process.pid })
    await expect(openDatabase(location)).rejects.toThrow(
      /in use by this program itself since .*DATABASE_URL/,
    )
    await db.close()
    await expect(readFile(lock)).rejects.toThrow(/ENOENT/)
  })

  it('names another living process', async () => {
    const parent = {
      pid: process.ppid,
      host: (await import('node:os')).hostname(),
      since: 'noon',
      token: 't',
    }
    await writeFile(lock, JSON.stringify(parent))
    await expect(openDatabase(location)).rejects.toThrow(
      new RegExp(`in use by process ${process.ppid} since noon`),
    )
    await writeFile(lock, JSON.stringify({ ...parent, host: 'elsewhere' }))
    await expect(openDatabase(location)).rejects.toThrow(/on elsewhere.*delete/)
    await rm(lock)
  })

  it.each([
    [
      'of a process that ended',
      () => JSON.stringify({ pid: 2 ** 22 + 1, host: '', since: '', token: 't' }),
    ],
    ['that is damaged', () => '{"pid": 1'],
  ])('is taken over when it is one %s', async (_, content) => {
    const stale = content()
    const { hostname } = await import('node:os')
    await writeFile(lock, stale.replace('"host":""', `"host":${JSON.stringify(hostname())}`))
    const db = await openDatabase(location)
    expect(JSON.parse(await readFile(lock, 'utf8'))).toMatchObject({ pid: process.pid })
    await db.close()
  })
})

describe('openDatabase', () => {
  it('says where it could not connect, without the password', async () => {
    const error = await openDatabase('postgres://me:s3cret@127.0.0.1:1/none').catch(String)
    expect(error).toMatch(/127\.0\.0\.1:1\/none: cannot connect to Postgres/)
    expect(error).not.toContain('s3cret')
  })
})
