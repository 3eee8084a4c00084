export { type Agreement, agreement } from './agreement.ts'
export { type BossOptions, type Database, openDatabase, type Queryable } from './database.ts'
export {
  addLabel,
  addLabels,
  labelById,
  labelledLatents,
  labelsOf,
  retireLabel,
  suiteLabels,
  undoLabel,
} from './labels.ts'
export { chipsOf, latentChips, listLatents, putLatents } from './latents.ts'
export {
  blindSample,
  claimants,
  type ReviewDecision,
  type ReviewEntry,
  type ReviewFilter,
  type ReviewItem,
  reviewProgress,
  reviewQueue,
  type StoredReview,
  saveReview,
  undoReview,
  type Verdict,
} from './reviews.ts'
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
  addScore,
  type ClaimedLabel,
  claimedLabels,
  type LabelScore,
  type ScoreEntry,
  scoresOf,
} from './scores.ts'
export { refreshStatistics } from './statistics.ts'
export {
  getSae,
  listSaes,
  listSuites,
  removeSuite,
  saesOf,
  setSaeMetrics,
  setSaeState,
  suiteInfo,
  upsertSae,
  upsertSuite,
} from './suites.ts'
export { tokenKey } from './text.ts'
export * from './types.ts'
export {
  bitsOf,
  countVectors,
  type EmbedderSource,
  labelsWithoutVector,
  prepareVectors,
  putLabelVectors,
  type StoredEmbedder,
  storedEmbedder,
  vectorText,
} from './vectors.ts'
export { addVotes, type VoteEntry, voteOnLabel } from './votes.ts'
