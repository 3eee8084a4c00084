/** What is fetched, under which key, and for how long it is fresh. Events invalidate by these keys. */
import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { SearchKind } from '../../../src/server/api.ts'
import { api, type LatentOrder } from './client.ts'

/** First words of the query keys, so that a change can invalidate all queries of a kind. */
export const keys = {
  workspace: ['workspace'],
  microscope: ['microscope'],
  latent: ['latent'],
  latents: ['latents'],
  search: ['search'],
  points: ['points'],
} as const

/** The workspace: model, suites, runs. */
export const workspaceQuery = queryOptions({
  queryKey: keys.workspace,
  queryFn: ({ signal }) => api.workspace(signal),
})

/** Layers by tokens for one text, dense latents or not; the last answer stays while the next is on its way. */
export const microscopeQuery = (text: string, suite: string | undefined, dense: boolean) =>
  queryOptions({
    queryKey: [...keys.microscope, text, suite, dense],
    queryFn: ({ signal }) =>
      api.microscope(
        {
          text,
          top_k: 6,
          ...(dense ? { max_density: 1 } : {}),
          ...(suite === undefined ? {} : { suite }),
        },
        signal,
      ),
    placeholderData: keepPreviousData,
    enabled: text.trim() !== '',
    staleTime: 60_000,
  })

/** Everything about one latent. */
export const latentQuery = (sae: string, index: number) =>
  queryOptions({
    queryKey: [...keys.latent, sae, index],
    queryFn: ({ signal }) => api.latent(sae, index, signal),
    staleTime: 30_000,
  })

/** The latents of one SAE, a page at a time. */
export const latentsQuery = (sae: string, by: LatentOrder) =>
  infiniteQueryOptions({
    queryKey: [...keys.latents, sae, by],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) => api.latents(sae, by, pageParam, 50, signal),
    getNextPageParam: (last, _pages, offset) =>
      offset + last.latents.length < last.n_total && last.latents.length > 0
        ? offset + last.latents.length
        : undefined,
    placeholderData: keepPreviousData,
  })

/** Ranked hits for a query; the last hits stay while the next are on their way. */
export const searchQuery = (q: string, kind: SearchKind, sae: string | undefined) =>
  infiniteQueryOptions({
    queryKey: [...keys.search, q, kind, sae],
    initialPageParam: 0,
    queryFn: ({ pageParam, signal }) =>
      api.search(
        { q, kind, offset: pageParam, limit: 40, ...(sae === undefined ? {} : { sae }) },
        signal,
      ),
    getNextPageParam: (last, _pages, offset) =>
      offset + last.hits.length < last.n_total && last.hits.length > 0
        ? offset + last.hits.length
        : undefined,
    placeholderData: keepPreviousData,
    enabled: q.trim() !== '',
  })

/** The measurements of a run so far; later ones arrive as events. */
export const pointsQuery = (run: string | undefined) =>
  queryOptions({
    queryKey: [...keys.points, run],
    queryFn: ({ signal }) => api.points(run ?? '', signal),
    enabled: run !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  })
