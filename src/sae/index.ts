/** The dictionary: encode and decode, load and save. */

export { checkFits, checkShapes, parseHookName } from './check.ts'
export {
  listSuite,
  loadSae,
  readSuiteManifest,
  saveSae,
  writeSuiteManifest,
} from './disk.ts'
export { decode, encode } from './jumprelu.ts'
export { openRunner } from './runner.ts'
export { parseSaelens, SAELENS_FILES, saelensConfig, saelensTensors } from './saelens.ts'
export { type SaeEntry, type SuiteManifest, saeFolder, widthName } from './suite.ts'
export * from './types.ts'
