import type { z } from '@hono/zod-openapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTiny, TINY_SAE as SAE } from '../../test/tinyServer.ts'
import { operations, Problem } from '../api/index.ts'
import type { OpenWorkspace } from './openWorkspace.ts'

const TEXT = 'The ship came home through the fog.'
const KNOWN: Readonly<Record<string, string>> = { sae: SAE, index: '5', suite: 'tiny' }

let tiny: Awaited<ReturnType<typeof openTiny>>
let open: OpenWorkspace
beforeAll(async () => {
  tiny = await openTiny()
  ;({ open } = tiny)
})
afterAll(() => tiny.close())

/** `GET /api/saes/{sae}/latents` of every route that is registered to answer, as the description writes it. */
const registered = (): string[] => {
  const routes = open.app.routes.filter(({ method }) => method !== 'ALL')
  const names = routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
  return [...new Set(names)].filter((name) => name !== 'GET /api/openapi.json').toSorted()
}

type Described = {
  operationId?: string
  summary?: string
  tags?: string[]
  requestBody?: object
  parameters?: { name: string; in: string; required: boolean; schema: { type?: unknown } }[]
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>
}
type Document = {
  openapi: string
  paths: Record<string, Record<string, Described>>
  components: { schemas: Record<string, object> }
}
const description = async (): Promise<Document> => {
  const answer = await open.app.request('/api/openapi.json')
  return (await answer.json()) as Document
}
const described = ({ paths }: Document): Map<string, Described> =>
  new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, Described] => [
        `${method.toUpperCase()} ${path}`,
        operation,
      ]),
    ),
  )

describe('the description', () => {
  it('holds every registered route and no other, as the client does', async () => {
    const document = await description()
    expect(document.openapi).toBe('3.1.0')
    expect([...described(document).keys()].toSorted()).toEqual(registered())
    expect(Object.values(operations).toSorted()).toEqual(registered())
  })

  it('says of every operation what it is called, what it does, and how it refuses', async () => {
    for (const [route, operation] of described(await description())) {
      const [, path] = route.split(' ')
      expect(operation.operationId, route).toMatch(/^[a-z][A-Za-z]+$/)
      expect(operation.summary, route).toMatch(/\w{3}/)
      expect(operation.tags, route).toHaveLength(1)
      const refusals = [
        '400',
        '401',
        '403',
        '503',
        ...(operation.requestBody ? ['413', '415'] : []),
      ]
      for (const status of refusals)
        expect(operation.responses[status]?.content, `${route} ${status}`).toEqual({
          'application/json': { schema: { $ref: '#/components/schemas/Problem' } },
        })
      const inPath = [...path!.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      const given = (operation.parameters ?? []).filter(({ in: place }) => place === 'path')
      expect(given.map(({ name }) => name).toSorted(), route).toEqual(inPath.toSorted())
    }
  })

  it('refers to schemas that are there, by names of the contract, with patterns that compile', async () => {
    const document = await description()
    const names = new Set(Object.keys(document.components.schemas))
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return
      if ('$ref' in value && typeof value.$ref === 'string')
        expect(names).toContain(value.$ref.replace('#/components/schemas/', ''))
      if ('pattern' in value && typeof value.pattern === 'string') new RegExp(value.pattern, 'u')
      for (const child of Object.values(value)) walk(child)
    }
    walk(document)
    expect([...names]).toEqual(expect.arrayContaining(['Workspace', 'LatentView', 'SaeId']))
    expect(JSON.stringify(document.components.schemas.SaeId)).toContain('width_')
    expect(
      new RegExp((document.components.schemas.SaeId as { pattern: string }).pattern, 'u').test(SAE),
    ).toBe(true)
  })
})

/** What is there to be withdrawn, voted on and taken back. */
const ids: Record<'retired' | 'undone' | 'voted' | 'review', number> = {
  retired: 0,
  undone: 0,
  voted: 0,
  review: 0,
}
beforeAll(async () => {
  const of = { sae: SAE, index: 5 }
  for (const [i, name] of (['retired', 'undone', 'voted'] as const).entries())
    ids[name] = (await tiny.api.addLabel({ ...of, index: 6 + i, text: name })).id
  ids.review = (await tiny.api.saveReview({ sae: SAE, latent: 5, decision: 'skip' })).id
})

/** What each route is asked that takes more than what is known of the suite. Others are asked with the values of KNOWN. */
const ASKED: Readonly<Record<string, () => { body?: object; query?: string; path?: object }>> = {
  'POST /api/microscope': () => ({ body: { text: TEXT, max_density: 1 } }),
  'POST /api/microscope/depth': () => ({ body: { text: TEXT, token: 2 } }),
  'POST /api/saes/{sae}/latents/{index}/test': () => ({ body: { text: TEXT } }),
  'POST /api/saes/{sae}/latents/{index}/labels': () => ({ body: { text: 'ships' } }),
  'DELETE /api/labels/{id}': () => ({ path: { id: ids.retired } }),
  'POST /api/labels/{id}/undo': () => ({ path: { id: ids.undone } }),
  'POST /api/labels/{id}/votes': () => ({ path: { id: ids.voted }, body: { vote: 'agree' } }),
  'POST /api/suites/{suite}/labels': () => ({ body: { lines: '' } }),
  'POST /api/suites/{suite}/scores/offers': () => ({ body: {} }),
  'POST /api/suites/{suite}/explanations/offers': () => ({ body: {} }),
  'POST /api/reviews': () => ({ body: { sae: SAE, latent: 6, decision: 'skip' } }),
  'DELETE /api/reviews/{id}': () => ({ path: { id: ids.review } }),
  'GET /api/search': () => ({ query: '?q=ships' }),
  'POST /api/search/text': () => ({ body: { text: TEXT, max_density: 1 } }),
  'POST /api/search/vector': () => ({ body: { like: { sae: SAE, index: 5 } } }),
  'POST /api/search/contrast': () => ({
    body: { a: [TEXT, 'The sea.'], b: ['Bread and butter.', 'A spoon.'], max_density: 1 },
  }),
  'POST /api/compare/prompts': () => ({ body: { a: TEXT, b: 'The ship went out.' } }),
  'GET /api/suites/{suite}/plots/{file}': () => ({ path: { file: 'layers.svg' } }),
}
/** Routes that need or start a run, and streams: tests of their own read them. */
const ELSEWHERE = new Set([
  'GET /api/events',
  'POST /api/steer',
  'POST /api/steer/sweep',
  'POST /api/compare/models',
  'POST /api/suites/{suite}/scores',
  'POST /api/suites/{suite}/explanations',
  'GET /api/runs/{id}/points',
  'POST /api/runs/{id}/pause',
  'POST /api/runs/{id}/continue',
  'POST /api/runs/{id}/stop',
])

describe('answers', () => {
  it('of every route are what its schema says, and hold nothing that it does not', async () => {
    const checked: string[] = []
    for (const definition of open.app.openAPIRegistry.definitions) {
      if (definition.type !== 'route') continue
      const { method, path, responses } = definition.route
      const route = `${method.toUpperCase()} ${path}`
      if (ELSEWHERE.has(route)) continue
      const { body, query = '', path: named } = ASKED[route]?.() ?? {}
      const values: Record<string, string | number> = { ...KNOWN, ...named }
      const address = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
        if (values[name] === undefined) throw new Error(`${route}: put a request of it into ASKED`)
        return encodeURIComponent(values[name])
      })
      const answer = await open.app.request(`${address}${query}`, {
        method: method.toUpperCase(),
        ...(body
          ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
          : {}),
      })
      const text = await answer.text()
      expect({ route, status: answer.status, text }).toMatchObject({ status: 200 })
      const described = responses[200] as { content: Record<string, { schema: z.ZodType }> }
      const content = described.content
      const type = answer.headers.get('content-type')!.split(';')[0]!
      const schema = content[type]?.schema
      if (!schema)
        throw new Error(`${route}: answers ${type}, described are ${Object.keys(content)}`)
      const value: unknown = type === 'application/json' ? JSON.parse(text) : text
      expect(schema.parse(value), route).toEqual(value)
      checked.push(route)
    }
    expect([...checked, ...ELSEWHERE].toSorted()).toEqual(registered())
  })

  it('are a Problem wherever a route refuses', async () => {
    for (const route of registered()) {
      if (ELSEWHERE.has(route) && !route.includes('{id}')) continue
      const [method, path] = route.split(' ') as [string, string]
      const nonsense = path.replaceAll(/\{\w+\}/g, 'no%20such%20thing')
      const withBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
      const answer = await open.app.request(nonsense, {
        method,
        ...(withBody
          ? { headers: { 'content-type': 'application/json' }, body: '{"not": json' }
          : {}),
      })
      if (answer.status === 200) continue
      expect([400, 404, 409], route).toContain(answer.status)
      expect(Problem.parse(await answer.json()).error, route).not.toBe('')
    }
  })
})
