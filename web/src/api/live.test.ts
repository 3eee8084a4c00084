import { QueryClient } from '@tanstack/react-query'
import { expect, test } from 'vitest'
import type { Run, RunPoint, Workspace } from '../../../src/api/index.ts'
import { applyEvent } from './live.ts'
import { keys } from './queries.ts'

const run = (id: string, progress: number): Run => ({
  id,
  kind: 'train',
  state: 'running',
  message: 'training',
  progress,
})
const point = (sae: string, step: number): RunPoint => ({
  sae,
  step,
  n_steps: 9,
  n_tokens: 5 * step,
  mse: 1,
  sparsity_loss: 0,
  l0: 3,
  fvu: 0.5,
  dead: 0,
  tokens_per_s: 7,
})

function clientWith(runs: Run[]): QueryClient {
  const client = new QueryClient()
  client.setQueryData<Workspace>(keys.workspace, {
    version: '0',
    suites: [],
    runs,
    sample_text: '',
  })
  return client
}
const runsOf = (client: QueryClient) => client.getQueryData<Workspace>(keys.workspace)?.runs

test('a run that goes on takes the place of itself, and a new one comes first', () => {
  const client = clientWith([run('a', 0.1), run('b', 0)])
  applyEvent(client, { type: 'run', run: run('b', 0.7) })
  applyEvent(client, { type: 'run', run: run('c', 0) })
  expect(runsOf(client)?.map((r) => [r.id, r.progress])).toEqual([
    ['c', 0],
    ['a', 0.1],
    ['b', 0.7],
  ])
})

const [x, y] = ['tiny~x~width_1~l0_1', 'tiny~y~width_1~l0_1']

test('points are kept once by SAE and step, as they were measured last, with their suite', () => {
  const client = new QueryClient()
  const key = [...keys.points, 'tiny']
  client.setQueryData<RunPoint[]>(key, [point(x, 1), point(y, 1)])
  const again = { ...point(y, 1), fvu: 0.25 }
  applyEvent(client, { type: 'points', run: 'a', points: [again, point(x, 2)] })
  expect(client.getQueryData<RunPoint[]>(key)).toEqual([point(x, 1), again, point(x, 2)])
})

test('points of a suite nobody looks at are not kept: opening it fetches them all', () => {
  const client = new QueryClient()
  applyEvent(client, { type: 'points', run: 'a', points: [point(x, 1)] })
  expect(client.getQueryData([...keys.points, 'tiny'])).toBeUndefined()
})

test('a change makes what shows it stale', () => {
  const client = clientWith([])
  client.setQueryData([...keys.search, 'sea'], {})
  applyEvent(client, { type: 'changed', what: 'labels' })
  expect(client.getQueryState([...keys.search, 'sea'])?.isInvalidated).toBe(true)
  expect(client.getQueryState(keys.workspace)?.isInvalidated).toBe(true)
})
