/**
 * The OpenAPI 3.1 description. It is made from the registered routes and the contract's schemas; what every route shares (names,
 * summaries, tags, refusals that come before any route) is filled in here, so that a route says only what is its own.
 */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import * as contract from '../api/index.ts'

type Description = ReturnType<OpenAPIHono['getOpenAPI31Document']>
type Operation = NonNullable<NonNullable<Description['paths']>[string]['get']>

const ABOUT = `The API of Hooke: what sparse autoencoders find in a language model.

Numbers that could not be computed are absent, never zero. Errors are a Problem: one sentence that says what was found, what was
expected and what to do. Answers of type text/event-stream are server-sent events whose data is JSON.`

/** Refusals that any route may meet before it begins, by status. */
const REFUSALS: Readonly<Record<number, string>> = {
  401: 'A token is needed and none, or a wrong one, was sent',
  403: 'The request names another host, or comes from a page of another origin',
  503: 'Too much is waiting or open; try again shortly',
}
/** And what carries a body. */
const OF_BODIES: Readonly<Record<number, string>> = {
  413: 'The body is larger than this server takes',
  415: 'The body is no application/json',
}

/** The description of an application's routes. @param version of Hooke. */
export function describeApi(app: OpenAPIHono, version: string): Description {
  nameSchemas()
  const description = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Hooke', version, description: ABOUT, license: LICENSE },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { cookie: [] }, {}],
  })
  for (const [path, item] of Object.entries(description.paths ?? {}))
    for (const method of METHODS) {
      const operation = item[method]
      if (operation) completeOperation(operation, `${method.toUpperCase()} ${path}`)
    }
  const schemas: Record<string, unknown> = {}
  const paths = repaired(description.paths, schemas)
  Object.assign(schemas, repaired(description.components?.schemas ?? {}, schemas))
  return {
    ...description,
    paths,
    components: { securitySchemes: SECURITY, schemas },
  } as Description
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
const LICENSE = { name: 'Apache-2.0', identifier: 'Apache-2.0' }
const SECURITY = {
  token: { type: 'http', scheme: 'bearer', description: 'Asked for beyond loopback only' },
  cookie: { type: 'apiKey', in: 'cookie', name: 'hooke_token' },
} as const

/** Gives every schema that the contract exports its name, which `repaired` then finds as `id`. */
function nameSchemas(): void {
  for (const [id, schema] of Object.entries(contract))
    if (schema instanceof z.ZodType && z.globalRegistry.get(schema)?.id === undefined)
      z.globalRegistry.add(schema, { id })
}

const OPERATION_OF = new Map<string, string>(
  Object.entries(contract.operations).map(([name, route]) => [route, name]),
)

/** The client's name of an operation, its summary, its tag, and the refusals that every route shares. */
function completeOperation(operation: Operation, route: string): void {
  operation.responses ??= {}
  const responses: Record<string, unknown> = operation.responses
  const name = OPERATION_OF.get(route)
  if (name !== undefined) operation.operationId ??= name
  const answer = responses['200'] as { description?: string } | undefined
  if (answer?.description !== undefined) operation.summary ??= answer.description
  operation.tags ??= [route.split('/')[2] ?? 'api']
  const shared = operation.requestBody ? { ...REFUSALS, ...OF_BODIES } : REFUSALS
  for (const [status, description] of Object.entries(shared))
    responses[status] ??= {
      description,
      content: { 'application/json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }
}

/**
 * A part of the description as its reader needs it: named schemas as references into `schemas`, which it fills; a pattern without
 * the flags of the regular expression it was made from; parameters that are never null, as text in an address cannot be.
 */
function repaired(value: unknown, schemas: Record<string, unknown>, inParameter = false): unknown {
  if (Array.isArray(value)) return value.map((child) => repaired(child, schemas, inParameter))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, child]) => {
    if (key === 'pattern' && typeof child === 'string') return [key, child.replace(/\/[a-z]+$/, '')]
    if (key === 'type' && inParameter && Array.isArray(child)) {
      const types = child.filter((type) => type !== 'null')
      return [key, types.length === 1 ? types[0] : types]
    }
    return [key, repaired(child, schemas, inParameter || key === 'parameters')]
  })
  const { id, default: initial, ...schema } = Object.fromEntries(entries)
  if (typeof id !== 'string' || !Object.hasOwn(contract, id)) return Object.fromEntries(entries)
  schemas[id] = schema
  const reference = { $ref: `#/components/schemas/${id}` }
  return initial === undefined ? reference : { ...reference, default: initial }
}
