export { type BossOptions, type Database, openDatabase, type Queryable } from './database.ts'
export { addLabel, addLabels, labelledLatents, labelsOf, retireLabel } from './labels.ts'
export { chipsOf, latentChips, listLatents, putLatents } from './latents.ts'
export {
  addPoints,
  createRun,
  getRun,
  hasEnded,
  listRuns,
  pointsOf,
  suitePoints,
  updateRun,
} from './runs.ts'
export {
  listSaes,
  listSuites,
  removeSuite,
  saeSummary,
  setSaeMetrics,
  setSaeState,
  suiteInfo,
  upsertSae,
  upsertSuite,
} from './suites.ts'
export { tokenKey } from './text.ts'
export * from './types.ts'
