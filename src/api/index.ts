/**
 * The HTTP contract: what the server answers, as schemas, and a typed client of it. Routes are in `server/routes/`.
 * `operations` in client.ts names every one of them, and says next to it what it takes and answers.
 *
 * Errors are Problem with a 4xx or 5xx status. A number that could not be computed is absent, never zero.
 */
export {
  addressOf,
  type Client,
  type ClientOptions,
  createClient,
  type Operation,
  operations,
} from './client.ts'
export * from './common.ts'
export * from './compare.ts'
export * from './events.ts'
export * from './labels.ts'
export * from './latents.ts'
export * from './microscope.ts'
export { ApiError } from './request.ts'
export * from './review.ts'
export * from './scores.ts'
export * from './search.ts'
export { SITE_MARK, type SiteIndex } from './site.ts'
export * from './steer.ts'
export * from './suites.ts'
export { parseVector } from './vector.ts'
