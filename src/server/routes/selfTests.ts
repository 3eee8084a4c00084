/** What self-tests found of a suite's SAEs, as it lies beside them. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { SelfTest } from '../../api/index.ts'
import { readSelfTest } from '../../evaluate/disk.ts'
import { saeId } from '../../jobs/index.ts'
import { listSuite } from '../../sae/disk.ts'
import type { SuiteShelf } from '../suites.ts'
import { answers } from './answers.ts'
import { SuiteName } from './suites.ts'

const selfTestsRoute = createRoute({
  method: 'get',
  path: '/api/suites/{suite}/self-tests',
  request: { params: SuiteName },
  responses: answers(z.array(SelfTest), 'Self-tests of the SAEs that were tested'),
})

export function addSelfTestRoutes(
  app: OpenAPIHono,
  { suites }: { suites: Pick<SuiteShelf, 'named'> },
): void {
  app.openapi(selfTestsRoute, async (c) => {
    const { suite, info } = await suites.named(c.req.valid('param').suite)
    const found: SelfTest[] = []
    for (const entry of await listSuite(info.folder)) {
      const test = await readSelfTest(entry.path)
      if (test === undefined) continue
      const {
        causes,
        notes,
        absent: _a,
        model_hash: _m,
        hook_name: _h,
        hook_name_out: _o,
        ...rest
      } = test
      found.push({
        ...rest,
        sae: saeId(suite, entry),
        causes: causes.map(({ says }) => says),
        notes: [...notes],
      })
    }
    return c.json(found, 200)
  })
}
