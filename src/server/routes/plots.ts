/** Pictures of a measured suite, drawn when asked for. */
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { SuitePlot } from '../../api/index.ts'
import { readMeasured } from '../../plots/disk.ts'
import { PLOT_NAMES, suitePlot, suitePlots } from '../../plots/index.ts'
import { notFound } from '../problems.ts'
import type { SuiteShelf } from '../suites.ts'
import { answers } from './answers.ts'
import { SuiteName } from './suites.ts'

/** A picture opened by itself may use the styles inside it, and nothing else. */
const PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

const listRoute = createRoute({
  method: 'get',
  path: '/api/suites/{suite}/plots',
  request: { params: SuiteName },
  responses: answers(z.array(SuitePlot), 'The pictures that there are'),
})

const { 200: _json, ...problems } = answers(SuitePlot, '')
const plotRoute = createRoute({
  method: 'get',
  path: '/api/suites/{suite}/plots/{file}',
  request: {
    params: SuiteName.extend({ file: z.enum(PLOT_NAMES.map((name) => `${name}.svg` as const)) }),
  },
  responses: {
    200: { description: 'A picture', content: { 'image/svg+xml': { schema: z.string() } } },
    ...problems,
  },
})

export function addPlotRoutes(
  app: OpenAPIHono,
  { suites }: { suites: Pick<SuiteShelf, 'named'> },
): void {
  const measured = async (suite: string) => readMeasured((await suites.named(suite)).info.folder)

  app.openapi(listRoute, async (c) => {
    const plots = suitePlots(await measured(c.req.valid('param').suite))
    return c.json(
      plots.map(({ name, title }) => ({ name, title })),
      200,
    )
  })

  app.openapi(plotRoute, async (c) => {
    const { suite, file } = c.req.valid('param')
    const name = PLOT_NAMES.find((name) => file === `${name}.svg`)!
    const plot = suitePlot(name, await measured(suite))
    if (!plot)
      throw notFound(
        `${suite} has no numbers for ${file}; evaluate it with this version (hooke eval)`,
      )
    c.header('Content-Security-Policy', PICTURE_POLICY)
    return c.body(plot.svg, 200, { 'Content-Type': 'image/svg+xml' })
  })
}
