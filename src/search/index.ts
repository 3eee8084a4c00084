/** Search: latents by words, by meaning, by what texts make of them, and by direction. */
export { type Contrast, type ContrastHit, contrastTexts } from './contrastTexts.ts'
export { type Embedder, EmbedderShelf, openEmbedder } from './embedder.ts'
export { type EmbedProgress, embedLabels, searchByMeaning } from './meaning.ts'
export { decoderRow, type NearestHit, nearestLatents } from './nearest.ts'
export { rankByText, type TextHit, type TextRanking } from './rankByText.ts'
export { LOOKED_THROUGH, passesFilters, type SearchFilters, shownHits } from './scope.ts'
export {
  type SearchAnswer,
  type SearchHit,
  type SearchKind,
  type SearchOptions,
  searchLatents,
} from './searchLatents.ts'
export { type SearchScope, searchScope } from './searchScope.ts'
export type { ActScale, SearchSite } from './sites.ts'
export { warmSearch } from './warm.ts'
