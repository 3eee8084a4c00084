/** The dictionary: encode, decode, and its file formats. Loading and saving on disk is in `disk.ts`. */

export { checkFits, checkShapes, parseHookName } from './check.ts'
export { decode } from './decode.ts'
export type {
  Dialect,
  PublishedSae,
  ReadSaeOptions,
  Sites,
} from './dialects/published.ts'
export { encode } from './encode.ts'
export {
  GEMMA_SCOPE_FILE,
  gemmaScopeFolder,
  gemmaScopeSites,
  gemmaScopeTensors,
} from './gemmaScope.ts'
export { type NamedSae, nearestL0, RELEASES_VERSION, resolveRelease } from './releases.ts'
export { openRunner } from './runner.ts'
export { parseSaelens, saelensTensors } from './saelens.ts'
export { SAELENS_FILES, type SaelensConfig, saelensConfig } from './saelensConfig.ts'
export { outputSite } from './shapes.ts'
export type { SaeOnDisk, StreamedSae, StreamOptions } from './streamed.ts'
export {
  type Metrics,
  type PositionBin,
  type SaeEntry,
  type SuiteManifest,
  saeFolder,
  widthName,
} from './suite.ts'
export * from './types.ts'
