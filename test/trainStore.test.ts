/** `hooke train STORE`: SAEs from activations that lie on disk already, without the model. */
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSuiteFile, trainFromStore } from '../src/jobs/index.ts'
import { loadSae } from '../src/sae/disk.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const SITE = 'blocks.1.hook_resid_post'
const TRAINING = ['--width', '60', '--l0', '7', '--tokens', '1500', '--batch', '250', '--seed', '3']

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let text: string
let store: string

beforeAll(async () => {
  folder = await temporaryFolder()
  text = (await tinyConfig(folder.path)).data[0]!
  store = join(folder.path, 'store')
  const sites = ['--hooks', SITE, 'blocks.4.attn.hook_z']
  const captured = await hooke('capture', 'thimble-5m', '--data', text, ...sites, '--out', store)
  expect(captured).toMatchObject({ code: 0 })
})
afterAll(() => folder.remove())

const weights = (suite: string) =>
  readFile(join(suite, SITE, 'width_60', 'l0_7', 'sae_weights.safetensors'))

it('trains an SAE at every asked site of the store, which stays', async () => {
  const suite = join(folder.path, 'from-store')
  const result = await hooke('train', store, '--hooks', SITE, ...TRAINING, '--out', suite)
  expect(result).toMatchObject({ code: 0, message: '' })
  const file = await readSuiteFile(suite)
  expect(file!.saes.map(({ hook }) => hook)).toEqual([SITE])
  expect(file!.model).toMatchObject({ name: 'thimble-5m', path: 'thimble-5m' })
  expect((await loadSae(join(suite, SITE, 'width_60', 'l0_7'))).d_sae).toBe(60)
  expect(await hooke('capture', '--out', store, '--verify')).toMatchObject({ code: 0 })
})

it('gives the same bytes when done again, from a copy of the store too', async () => {
  const copy = join(folder.path, 'copy')
  await cp(store, copy, { recursive: true })
  const suites = [join(folder.path, 'one'), join(folder.path, 'two')]
  await hooke('train', store, '--hooks', SITE, ...TRAINING, '--out', suites[0]!)
  await hooke('train', copy, '--hooks', SITE, ...TRAINING, '--out', suites[1]!)
  expect(await weights(suites[0]!)).toEqual(await weights(suites[1]!))
})

it('serves several trainings at once, each with the bytes it has alone', async () => {
  const alone = join(folder.path, 'alone')
  await hooke('train', store, '--hooks', SITE, ...TRAINING, '--out', alone)
  const suites = ['left', 'right'].map((name) => join(folder.path, name))
  const settings = {
    store,
    hooks: [SITE],
    d_sae: [60],
    l0: [7],
    n_tokens: 1500,
    eval_tokens: 0,
    batch_size: 250,
    seed: 3,
    threads: 1,
  }
  const { signal } = new AbortController()
  await Promise.all(suites.map((out) => trainFromStore({ ...settings, out }, { signal })))
  for (const suite of suites) expect(await weights(suite)).toEqual(await weights(alone))
})

it('asks for text where one is needed, and measures, indexes and labels with it', async () => {
  const suite = join(folder.path, 'measured')
  await hooke('train', store, '--hooks', SITE, ...TRAINING, '--out', suite)
  const without = await hooke('eval', suite)
  expect(without.code).toBe(2)
  expect(without.message).toContain('--data')
  const commands = [['eval', '--tokens', '150'], ['index', '--tokens', '300'], ['label']] as const
  for (const [command, ...most] of commands)
    expect(await hooke(command, suite, '--data', text, ...most)).toMatchObject({
      code: 0,
      message: '',
    })
})

it('refuses what a store cannot give', async () => {
  const out = join(folder.path, 'refused')
  const train = (...more: string[]) => hooke('train', store, ...TRAINING, '--out', out, ...more)
  expect(await train('--data', text)).toMatchObject({ code: 2 })
  const elsewhere = await train('--hooks', 'blocks.2.hook_resid_post')
  expect(elsewhere.code).toBe(1)
  expect(elsewhere.message).toContain('blocks.1.hook_resid_post')
})

it('refuses another store or seed for a suite that was begun, and a store that lacks a shard', async () => {
  const suite = join(folder.path, 'begun')
  const train = (from: string, to: string, ...more: string[]) =>
    hooke('train', from, '--hooks', SITE, ...TRAINING, ...more, '--out', to)
  await train(store, suite)
  const refused = (words: string) => ({ code: 1, message: expect.stringContaining(words) })
  expect(await train(store, suite, '--seed', '4')).toMatchObject(refused('seed 3'))
  const other = join(folder.path, 'other')
  const sites = ['--hooks', SITE, '--tokens', '900']
  await hooke('capture', 'thimble-5m', '--data', text, ...sites, '--out', other)
  expect(await train(other, suite)).toMatchObject(refused('other activations'))
  await rm(join(other, 'shard_00000.safetensors'))
  expect(await train(other, `${suite}-2`)).toMatchObject(refused('is missing'))
})
