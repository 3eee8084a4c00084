/**
 * The HTTP contract: what the server answers, as schemas, and a typed client of it. Routes are in `server/routes/`.
 *
 *   GET    /api/workspace                           Workspace
 *   GET    /api/events                              server-sent events, each an Event
 *   POST   /api/microscope        MicroscopeRequest  Microscope
 *   POST   /api/microscope/depth  DepthRequest       Depth
 *   GET    /api/saes/:sae/latents?sort&order&offset&limit   LatentList
 *   GET    /api/saes/:sae/latents/:index            LatentView
 *   GET    /api/saes/:sae/latents/:index/family     LatentFamily
 *   GET    /api/saes/:sae/latents/:index/effects    EffectHistogram
 *   POST   /api/saes/:sae/latents/:index/examples   ExampleRun: its examples through the model again
 *   POST   /api/saes/:sae/latents/:index/test       TestRequest -> TestResult
 *   POST   /api/saes/:sae/latents/:index/labels     NewLabel -> Label
 *   DELETE /api/labels/:id                          Label (retired, kept as history)
 *   POST   /api/labels/:id/undo                     Label[] of its latent, the last change of this one taken back
 *   POST   /api/labels/:id/votes  NewVote            Label
 *   GET    /api/suites/:suite/labels.jsonl?format    its labels, one JSON object a line
 *   POST   /api/suites/:suite/labels                { lines } -> LabelsImported
 *   GET    /api/reviews/queue?suite&sae&method&author&reviewer&blind&limit   ReviewQueue
 *   POST   /api/reviews           NewReview          Review
 *   DELETE /api/reviews/:id                         Review (taken back, with its vote or label)
 *   GET    /api/reviews/agreement?suite&sae&method&author   Agreement[] of blind guesses with labels
 *   GET    /api/search?q&kind&limit&offset&<SearchFilters>  SearchResult
 *   GET    /api/search/scope                        SearchScope
 *   POST   /api/search/text      TextSearchRequest   TextSearch
 *   POST   /api/search/vector    VectorSearchRequest VectorSearch
 *   POST   /api/search/contrast  ContrastRequest     ContrastSearch
 *   POST   /api/steer             SteerRequest       server-sent events, each a SteerEvent
 *   POST   /api/steer/sweep       SweepRequest       server-sent events, each a SweepEvent
 *   POST   /api/compare/prompts   ComparePromptsRequest  PromptComparison
 *   POST   /api/compare/models    CompareModelsRequest   server-sent events, each a CompareModelsEvent
 *   GET    /api/runs                                Run[]
 *   GET    /api/runs/:id/points                     RunPoint[]
 *   POST   /api/runs/:id/pause                      Run (paused, or ended meanwhile)
 *   POST   /api/runs/:id/continue                   Run (a new one for one that was stopped or failed)
 *   POST   /api/runs/:id/stop                       Run
 *   GET    /api/suites/:suite                       SuiteOrigin
 *   GET    /api/suites/:suite/points                RunPoint[] of all its runs
 *   GET    /api/suites/:suite/self-tests            SelfTest[] of the SAEs that were tested
 *   GET    /api/suites/:suite/plots                 SuitePlot[], those that there are numbers for
 *   GET    /api/suites/:suite/plots/:name.svg       the picture, image/svg+xml
 *   GET    /api/openapi.json                        the description of all this, OpenAPI 3.1
 *
 * Errors are Problem with a 4xx or 5xx status. A number that could not be computed is absent, never zero.
 */
export {
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
export * from './search.ts'
export type { SiteIndex } from './site.ts'
export * from './steer.ts'
export * from './suites.ts'
