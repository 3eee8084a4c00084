import { expect, test } from 'vitest'
import type { Run } from '../../../src/api/index.ts'
import { shownRuns } from './runs.ts'

const run = (id: string, state: Run['state'], suite = 'tiny'): Run => ({
  id,
  kind: 'train',
  suite,
  state,
  message: '',
  progress: 0,
})

test('runs under way are shown, and how the newest one ended, if before its end', () => {
  const shown = (...runs: Run[]) => shownRuns(runs, 'tiny').map(({ id }) => id)
  expect(shown(run('c', 'queued'), run('b', 'paused'), run('a', 'stopped'))).toEqual(['c', 'b'])
  expect(shown(run('x', 'failed', 'other'), run('b', 'failed'), run('a', 'stopped'))).toEqual(['b'])
  expect(shown(run('b', 'done'), run('a', 'failed'))).toEqual([])
})
