import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { PgBoss } from 'pg-boss'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { temporaryFolder, tinyConfig } from '../../test/tinySuite.ts'
import {
  createRun,
  type Database,
  getRun,
  listSaes,
  openDatabase,
  pointsOf,
  updateRun,
} from '../store/index.ts'
import type { PipelineConfig } from './config.ts'
import { JobQueue, type QueueEvent } from './queue.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let db: Database
let queue: JobQueue
let events: QueueEvent[]
let config: PipelineConfig

beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())
beforeEach(async (context) => {
  db = await openDatabase('memory://')
  config = await tinyConfig(folder.path, `suite-${context.task.id}`)
  events = []
  queue = await JobQueue.open(db, { onEvent: (event) => events.push(event) })
})
afterEach(async () => {
  await queue.close()
  await db.close()
})

/** Long enough that it is still training when it is stopped. */
const long = (): PipelineConfig => ({ ...config, n_tokens: 4_000_000 })

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20))
}
const trains = (): boolean => events.some((event) => event.type === 'points')

it('performs a run in a thread and enters what it reports', async () => {
  const id = await queue.enqueue('demo', config)
  expect(await queue.settled(id)).toMatchObject({ state: 'done', progress: 1, kind: 'demo' })
  expect((await listSaes(db)).map(({ state }) => state)).toEqual(['labelled', 'labelled'])
  expect((await pointsOf(db, id)).length).toBeGreaterThan(0)
  const changed = events.flatMap((event) => (event.type === 'changed' ? [event.what] : []))
  expect(new Set(changed)).toEqual(new Set(['workspace', 'latents', 'labels']))
})

it('gives one run to those who ask for a suite twice', async () => {
  const id = await queue.enqueue('demo', long())
  expect(await queue.enqueue('demo', long())).toBe(id)
  await queue.stop(id)
})

it('stops a run at its checkpoint and goes on when asked again', async () => {
  const id = await queue.enqueue('train', long())
  await until(trains)
  expect(await queue.stop(id)).toMatchObject({ state: 'stopped' })
  expect((await listSaes(db)).map(({ state }) => state)).toEqual(['waiting', 'waiting'])

  const again = await queue.enqueue('train', long())
  expect(again).not.toBe(id)
  events = []
  await until(trains)
  const [first] = await pointsOf(db, again)
  expect(first!.step).toBeGreaterThan((await pointsOf(db, id))[0]!.step)
  await queue.stop(again)
})

it('pauses a run between two steps, goes on, and stops while paused with a checkpoint', async () => {
  const id = await queue.enqueue('train', long())
  await until(trains)
  expect(await queue.pause(id)).toMatchObject({ state: 'paused' })
  expect(await queue.pause(id)).toMatchObject({ state: 'paused' })
  const before = await pointsOf(db, id)
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(await pointsOf(db, id)).toEqual(before)
  expect(await queue.enqueue('train', long())).toBe(id)

  events = []
  expect(await queue.continue(id)).toMatchObject({ state: 'running' })
  await until(trains)
  await queue.pause(id)
  expect(await queue.stop(id)).toMatchObject({ state: 'stopped' })
  expect((await readdir(join(config.out, 'checkpoint'))).length).toBeGreaterThan(0)

  const [last] = (await pointsOf(db, id)).slice(-1)
  events = []
  const again = await queue.continue(id)
  expect(again).toMatchObject({ state: 'queued', suite: basename(config.out) })
  await until(trains)
  expect((await pointsOf(db, again!.id))[0]!.step).toBeGreaterThanOrEqual(last!.step)
  await queue.stop(again!.id)
})

it('refuses to pause what is not under way and to continue what is done', async () => {
  const { id } = await createRun(db, { kind: 'train' })
  await expect(queue.pause(id)).rejects.toThrow('queued')
  await updateRun(db, id, { state: 'done' })
  await expect(queue.continue(id)).rejects.toThrow('done')
  await updateRun(db, id, { state: 'failed' })
  await expect(queue.continue(id)).rejects.toThrow('no longer kept')
  expect(await queue.pause('none')).toBeUndefined()
  expect(await queue.continue('none')).toBeUndefined()
})

it('stops a run that waits before it begins', async () => {
  const first = await queue.enqueue('train', long())
  await until(trains)
  const second = await queue.enqueue('train', { ...config, out: join(folder.path, 'waits') })
  expect(await queue.stop(second)).toMatchObject({ state: 'stopped', progress: 0 })
  await queue.stop(first)
})

it('says in the run what went wrong, also where its suite cannot be read either', async () => {
  const damaged = join(config.out, 'blocks.0.hook_resid_post/width_4/l0_3')
  await mkdir(damaged, { recursive: true })
  await writeFile(join(damaged, 'cfg.json'), '{')
  await writeFile(join(damaged, 'sae_weights.safetensors'), '')
  const id = await queue.enqueue('train', { ...config, hooks: ['blocks.99.*'] })
  const run = await queue.settled(id)
  expect(run.state).toBe('failed')
  expect(run.error).toContain('blocks.99.*')
})

it.each(['running', 'paused'])(
  'writes the checkpoint of a %s run when it is closed',
  async (state) => {
    const id = await queue.enqueue('train', long())
    await until(trains)
    if (state === 'paused') await queue.pause(id)
    await queue.close()
    expect(await getRun(db, id)).toMatchObject({ state: 'stopped' })
    expect((await readdir(join(config.out, 'checkpoint'))).length).toBeGreaterThan(0)
  },
)

/** What a kill leaves: a job handed out to nobody who lives, and a run in the state that it had. */
async function killed(state: 'running' | 'paused'): Promise<string> {
  await queue.close()
  const { id } = await createRun(db, { kind: 'demo', suite: basename(config.out) })
  const boss = new PgBoss({ ...db.boss, schedule: false, supervise: false })
  await boss.start()
  await boss.send('hooke-runs', { kind: 'demo', config }, { id })
  await boss.fetch('hooke-runs')
  await boss.stop({ graceful: false })
  await updateRun(db, id, { state })
  queue = await JobQueue.open(db)
  return id
}

it('takes up a run that a killed program left behind', async () => {
  const id = await killed('running')
  expect(await queue.settled(id)).toMatchObject({ state: 'done' })
})

it('leaves a run alone that was paused when its program was killed, until it is continued', async () => {
  const id = await killed('paused')
  expect(await getRun(db, id)).toMatchObject({ state: 'stopped' })
  const again = await queue.continue(id)
  expect(again!.id).not.toBe(id)
  expect(await queue.settled(again!.id)).toMatchObject({ state: 'done' })
})
