/** Searches, as they are fetched; the last answer stays while the next is on its way. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type {
  ContrastRequest,
  SearchFilters,
  SearchKind,
  TextSearchRequest,
  VectorSearchRequest,
} from '../../../src/api/index.ts'
import { api } from './client.ts'
import { keys } from './queries.ts'

/** More pages than this nobody reads, and the server does not give. */
const mostOffset = 2_000

/** What words are looked for, where, and among which latents. */
export type WordSearch = SearchFilters & { q: string; kind: SearchKind }

/** Ranked hits for words. */
export const searchQuery = (query: WordSearch) =>
  infiniteQueryOptions({
    queryKey: [...keys.search, query],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.search({ ...query, offset: pageParam, limit: 40 }, { signal }),
    getNextPageParam: (last, _pages, offset) => {
      const next = offset + last.hits.length
      const isMore = last.more || next < last.n_total
      return isMore && last.hits.length > 0 && next <= mostOffset ? next : undefined
    },
    placeholderData: keepPreviousData,
    enabled: query.q.trim() !== '',
  })

/** What a search may be restricted to. */
export const searchScopeQuery = queryOptions({
  queryKey: [...keys.search, 'scope'],
  queryFn: ({ signal }) => api.searchScope({}, { signal }),
})

const asked = { staleTime: 60_000, placeholderData: keepPreviousData, retry: false } as const

/** Latents by their activation on a text; nothing is asked where there is no request. */
export const textSearchQuery = (request: TextSearchRequest | undefined) =>
  queryOptions({
    queryKey: [...keys.search, 'text', request],
    queryFn: ({ signal }) => api.searchText(request ?? { text: '' }, { signal }),
    enabled: request !== undefined,
    ...asked,
  })

/** Latents by direction. */
export const vectorSearchQuery = (request: VectorSearchRequest | undefined) =>
  queryOptions({
    queryKey: [...keys.search, 'vector', request],
    queryFn: ({ signal }) => api.searchVector(request ?? {}, { signal }),
    enabled: request !== undefined,
    ...asked,
  })

/** Latents by the difference between texts. */
export const contrastQuery = (request: ContrastRequest | undefined) =>
  queryOptions({
    queryKey: [...keys.search, 'contrast', request],
    queryFn: ({ signal }) => api.searchContrast(request ?? { a: [], b: [] }, { signal }),
    enabled: request !== undefined,
    ...asked,
  })
