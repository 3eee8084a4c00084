/** One suite as a training: what it was asked for, and how it went. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { RunPoint, SuiteOrigin } from '../../api/index.ts'
import { readPoints, readSuiteFile, type SuiteFile, saeId } from '../../jobs/index.ts'
import { suitePoints } from '../../store/index.ts'
import type { ServerContext } from '../context.ts'
import { answers } from './answers.ts'

export const SuiteName = z.object({ suite: z.string().regex(/^[^~/\p{Cc}]{1,200}$/u) })

const originRoute = createRoute({
  method: 'get',
  path: '/api/suites/{suite}',
  request: { params: SuiteName },
  responses: answers(SuiteOrigin, 'What made the suite'),
})

const pointsRoute = createRoute({
  method: 'get',
  path: '/api/suites/{suite}/points',
  request: { params: SuiteName },
  responses: answers(z.array(RunPoint), 'Training curves from all runs of the suite'),
})

export function addSuiteRoutes(app: OpenAPIHono, { db, suites }: ServerContext): void {
  app.openapi(originRoute, async (c) => {
    const { suite, info } = await suites.named(c.req.valid('param').suite)
    const file = await readSuiteFile(info.folder)
    return c.json(
      {
        name: suite,
        ...(file ? { created: file.created } : {}),
        settings: file ? settingsOf(file) : {},
      },
      200,
    )
  })

  // Of the file beside the suite and the runs of this workspace either may know more: a suite that was copied here has only the
  // file, one that another machine trains only the runs.
  app.openapi(pointsRoute, async (c) => {
    const { suite, info } = await suites.named(c.req.valid('param').suite)
    const created = (await readSuiteFile(info.folder))?.created
    const points = new Map<string, RunPoint>()
    for (const point of await suitePoints(db, suite, created))
      points.set(`${point.sae} ${point.step}`, point)
    for (const { hook, d_sae, l0_target, ...point } of await readPoints(info.folder)) {
      const sae = saeId(suite, { hook, d_sae, l0: l0_target })
      points.set(`${sae} ${point.step}`, { sae, ...point })
    }
    return c.json(
      [...points.values()].toSorted((a, b) => a.step - b.step),
      200,
    )
  })
}

/** The settings, and what they were applied to, as `path.in.suite` -> value; lists as text. */
function settingsOf({ model, data_hash, version, config }: SuiteFile): SuiteOrigin['settings'] {
  const given = { ...config, model: model.name, model_hash: model.hash, data_hash, version }
  return Object.fromEntries(leaves(given))
}

function* leaves(value: object, path = ''): Generator<[string, string | number | boolean]> {
  for (const [key, child] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`
    if (Array.isArray(child)) yield [at, child.join(', ')]
    else if (typeof child === 'object' && child !== null) yield* leaves(child, at)
    else if (child !== null && child !== undefined) yield [at, child]
  }
}
