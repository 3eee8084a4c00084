/** Two prompts, or two models, latent by latent. */
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import {
  CompareModelsEvent,
  CompareModelsRequest,
  ComparePromptsRequest,
  type ModelComparison,
  PromptComparison,
} from '../../api/index.ts'
import { readSuiteFile } from '../../jobs/index.ts'
import { requireAllowed } from '../allowedModels.ts'
import { labelledChips } from '../chips.ts'
import type { ServerContext } from '../context.ts'
import { HttpProblem } from '../problems.ts'
import { answers, eventStream, jsonBody, relay } from './answers.ts'

const promptsRoute = createRoute({
  method: 'post',
  path: '/api/compare/prompts',
  request: { body: jsonBody(ComparePromptsRequest) },
  responses: answers(
    PromptComparison,
    'What changes between two prompts, by site, token and latent',
  ),
})

const modelsRoute = createRoute({
  method: 'post',
  path: '/api/compare/models',
  request: { body: jsonBody(CompareModelsRequest) },
  responses: eventStream(
    CompareModelsEvent,
    'How far it is, then what differs between the suite’s model and another',
  ),
})

export function addCompareRoutes(
  app: OpenAPIHono,
  { db, inference, suites, models }: ServerContext,
): void {
  app.openapi(promptsRoute, async (c) => {
    const { suite: name, ...request } = c.req.valid('json')
    const suite = await suites.folder(name)
    const found = await inference.call('comparePrompts', { ...request, suite }, c.req.raw.signal)
    return c.json({ ...found, latents: await labelledChips(db, found.latents) }, 200)
  })

  app.openapi(modelsRoute, async (c) => {
    const { suite: name, text, ...request } = c.req.valid('json')
    const present = await suites.present()
    requireAllowed(
      request.model,
      models,
      present.flatMap(({ info }) => info.model ?? []),
    )
    const suite = await suites.folder(name)
    const on = text === undefined ? { data: await ownText(suite.suite) } : { text }
    return relay(c, (signal) =>
      labelled(inference.stream('compareModels', { ...request, ...on, suite }, signal)),
    )
  })

  /** The text that a suite is evaluated on. @throws HttpProblem 409 if it knows none. */
  async function ownText(
    name: string,
  ): Promise<{ names: readonly string[]; text_column?: string }> {
    const { info } = await suites.named(name)
    const pipeline = (await readSuiteFile(info.folder))?.pipeline
    const names = pipeline?.eval_data ?? pipeline?.index_data ?? pipeline?.data ?? []
    if (names.length === 0)
      throw new HttpProblem(
        409,
        `suite ${name} knows no text of its own, as it was imported or trained from activations; give a text to compare on`,
      )
    const { text_column } = pipeline ?? {}
    return { names, ...(text_column === undefined ? {} : { text_column }) }
  }

  async function* labelled(
    events: AsyncIterable<CompareModelsEvent>,
  ): AsyncGenerator<CompareModelsEvent> {
    yield { type: 'progress', share: 0, message: 'opening both models' }
    for await (const event of events)
      yield event.type === 'done'
        ? { type: 'done', comparison: await withLabels(event.comparison) }
        : event
  }

  async function withLabels(found: ModelComparison): Promise<ModelComparison> {
    const { latents, shown } = found
    return {
      ...found,
      latents: await labelledChips(db, latents),
      shown: { ...shown, latents: await labelledChips(db, shown.latents) },
    }
  }
}
