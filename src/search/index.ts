export { type SearchHit, type SearchKind, searchLatents } from './searchLatents.ts'
