import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { Problem, SelfTest } from '../api/index.ts'
import type { HookName } from '../model/index.ts'
import { saeFolder } from '../sae/index.ts'
import { answerError } from './problems.ts'
import { addSelfTestRoutes } from './routes/selfTests.ts'

const TESTED: HookName = 'blocks.1.hook_mlp_out'
const FOUND = {
  ...{ badge: 'red', hook_name: TESTED, l0: 41.5, claimed_l0: 9, claims_from: "the folder's name" },
  ...{
    fvu: 1.25,
    n_tokens: 300,
    n_excluded: 2,
    model: 'small',
    model_hash: 'aa',
    model_weights: 'q8',
    version: '9.9.9',
  },
  causes: [
    { kind: 'scale', says: 'fits better with half', l0: 9.5, fvu: 0.3, n_tokens: 100, scale: 0.5 },
  ],
  notes: ['Something besides.'],
  absent: { delta_ce_loss: 'no reason' },
}

let workspace: string
const app = new OpenAPIHono()
const folderOf = (hook: HookName) => saeFolder(join(workspace, 'small'), hook, 5, 9)

beforeAll(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'hooke-self-tests-'))
  for (const hook of ['blocks.0.hook_mlp_out', TESTED] satisfies HookName[]) {
    await mkdir(folderOf(hook), { recursive: true })
    const config = { d_in: 2, d_sae: 5, metadata: { hook_name: hook } }
    await writeFile(join(folderOf(hook), 'cfg.json'), JSON.stringify(config))
  }
  await writeFile(join(folderOf(TESTED), 'self_test.json'), JSON.stringify(FOUND))
  app.onError(answerError)
  const named = async (suite: string) => ({
    suite,
    info: { folder: join(workspace, suite), imported: {} },
  })
  addSelfTestRoutes(app, { suites: { named } })
})
afterAll(() => rm(workspace, { recursive: true }))

it('gives what lies beside the SAEs that were tested, causes as sentences', async () => {
  const answer = await app.request('/api/suites/small/self-tests')
  expect(answer.status).toBe(200)
  const { hook_name: _h, model_hash: _m, absent: _a, causes: _c, ...rest } = FOUND
  expect(z.array(SelfTest).parse(await answer.json())).toEqual([
    { ...rest, sae: `small~${TESTED}~width_5~l0_9`, causes: ['fits better with half'] },
  ])
})

it('names a damaged file', async () => {
  await writeFile(join(folderOf(TESTED), 'self_test.json'), '{}')
  const answer = await app.request('/api/suites/small/self-tests')
  expect(answer.status).toBe(500)
  expect(Problem.parse(await answer.json()).error).toContain('self_test.json')
})
