/** What is fetched, under which key, and for how long it is fresh. Events invalidate by these keys. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type {
  DepthRequest,
  LabelScope,
  LatentSort,
  MicroscopeRequest,
  ReviewFilter,
  Workspace,
} from '../../../src/api/index.ts'
import { type ListedLatent, raisers, wordLatents } from '../format/wordLatents.ts'
import { ApiError, api } from './client.ts'

/** First words of the query keys, so that a change can invalidate all queries of a kind. */
export const keys = {
  workspace: ['workspace'],
  microscope: ['microscope'],
  depth: ['depth'],
  latent: ['latent'],
  latents: ['latents'],
  search: ['search'],
  review: ['review'],
  agreement: ['agreement'],
  points: ['points'],
  origin: ['origin'],
  plots: ['plots'],
  selfTests: ['self-tests'],
  beginnings: ['beginnings'],
  scoring: ['scoring'],
} as const

/** The workspace: model, suites, runs. */
export const workspaceQuery = queryOptions({
  queryKey: keys.workspace,
  queryFn: ({ signal }) => api.workspace({}, { signal }),
})

/** Layers by tokens for one text; the last answer stays while the next is on its way. */
export const microscopeQuery = (request: MicroscopeRequest) =>
  queryOptions({
    queryKey: [...keys.microscope, request],
    queryFn: ({ signal }) => api.microscope({ top_k: 6, ...request }, { signal }),
    placeholderData: keepPreviousData,
    enabled: request.text.trim() !== '' && request.suite !== undefined,
    staleTime: 60_000,
    // Comparing two answers of many megabytes entry by entry stops the page for longer than drawing the new one.
    structuralSharing: false,
  })

/** One token through the layers; that of the last token stays while the next is on its way. */
export const depthQuery = (request: DepthRequest) =>
  queryOptions({
    queryKey: [...keys.depth, request],
    queryFn: ({ signal }) => api.depth(request, { signal }),
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Everything about one latent. */
export const latentQuery = (sae: string, index: number) =>
  queryOptions({
    queryKey: [...keys.latent, sae, index],
    queryFn: ({ signal }) => api.latent({ sae, index }, { signal }),
    staleTime: 30_000,
  })

/** What tests of labels would cost. */
export const scoringOffersQuery = (scope: { suite: string } & LabelScope) =>
  queryOptions({
    queryKey: [...keys.scoring, scope],
    queryFn: ({ signal }) => api.offerScores(scope, { signal }),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  })

/** The same without what anybody said of it or its neighbours, for whoever is to guess. */
export const unlabelledQuery = (sae: string, index: number) =>
  queryOptions({
    queryKey: [...keys.latent, sae, index, 'unlabelled'],
    queryFn: ({ signal }) => api.latent({ sae, index, labels: false }, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
  })

/** What labels by the server's language model would cost. */
export const explainingOffersQuery = (scope: { suite: string } & LabelScope) =>
  queryOptions({
    queryKey: [...keys.scoring, 'explain', scope],
    queryFn: ({ signal }) => api.offerExplanations(scope, { signal }),
    placeholderData: keepPreviousData,
    staleTime: 10_000,
  })

/** Latents with near directions; labels in it change with those of the latents. */
export const familyQuery = (sae: string, index: number) =>
  queryOptions({
    queryKey: [...keys.latent, sae, index, 'family'],
    queryFn: ({ signal }) => api.latentFamily({ sae, index }, { signal }),
    staleTime: 30_000,
  })

/** How its effects spread over the vocabulary. */
export const effectsQuery = (sae: string, index: number) =>
  queryOptions({
    queryKey: [...keys.latent, sae, index, 'effects'],
    queryFn: ({ signal }) => api.latentEffects({ sae, index }, { signal }),
    staleTime: 30_000,
  })

/** What the latent list is sorted by. */
export type LatentOrder = { sort: LatentSort; order: 'asc' | 'desc' }

/** Latents of a page of the list. */
export const latentPage = 100

/** A page of the latents of one SAE, the first being 0. */
export const latentPageQuery = (sae: string, by: LatentOrder, page: number) =>
  queryOptions({
    queryKey: [...keys.latents, sae, by, page],
    queryFn: ({ signal }) =>
      api.latents({ sae, ...by, offset: page * latentPage, limit: latentPage }, { signal }),
    staleTime: 60_000,
  })

/** The middle of a model holds the classes of words: the first layers spell, the last ones predict. */
const asked = { from: 1 / 6, to: 5 / 6, latents: 500 }
const mostWordLatents = 12

/** Latents of a class of words, to begin with: from the middle layers of the first suite that is labelled in full. */
export const wordLatentsQuery = (suites: Workspace['suites']) => {
  const labelled = suites.find(({ saes }) => saes.every((sae) => sae.n_labelled > 0))?.saes ?? []
  const [from, to] = [asked.from, asked.to].map((share) => Math.round(share * labelled.length))
  const ids = labelled.slice(from, to).map(({ id }) => id)
  return queryOptions({
    queryKey: [...keys.beginnings, 'words', ids],
    queryFn: async ({ signal }) => {
      const strongest = { sort: 'max_act', order: 'desc', limit: asked.latents } as const
      const lists = await Promise.all(
        ids.map((sae) => api.latents({ sae, ...strongest }, { signal })),
      )
      return wordLatents(
        lists.flatMap(({ latents }) => latents),
        mostWordLatents,
      )
    },
    enabled: ids.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
  })
}

/** Of latents of a class of words those that also raise them, most of them first: the ones whose steering shows. */
export const raisersQuery = (latents: readonly ListedLatent[]) =>
  queryOptions({
    queryKey: [...keys.beginnings, 'raisers', latents.map(({ sae, index }) => `${sae}/${index}`)],
    queryFn: async ({ signal }) => {
      const views = await Promise.all(
        latents.map(({ sae, index }) => api.latent({ sae, index }, { signal })),
      )
      return raisers(latents.map((latent, i) => ({ latent, raised: views[i]?.top_logits ?? [] })))
    },
    enabled: latents.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Which latents wait for whom; blind ones are drawn at random. */
export type ReviewQuery = ReviewFilter & { reviewer: string; blind: boolean }

/** What waits for a reviewer. It is asked again when it runs low, not at every change: the next latent stays the next. */
export const reviewQuery = (query: ReviewQuery) =>
  queryOptions({
    queryKey: [...keys.review, query],
    queryFn: ({ signal }) => api.reviewQueue(query, { signal }),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  })

/** How far blind guesses agree with labels. */
export const agreementQuery = (filter: ReviewFilter) =>
  queryOptions({
    queryKey: [...keys.agreement, filter],
    queryFn: ({ signal }) => api.agreement(filter, { signal }),
  })

/** What was measured of a suite's training so far, over all of its runs; later points arrive as events. */
export const pointsQuery = (suite: string | undefined) =>
  queryOptions({
    queryKey: [...keys.points, suite],
    queryFn: ({ signal }) => api.suitePoints({ suite: suite ?? '' }, { signal }),
    enabled: suite !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
  })

/** Which pictures there are of a suite; none where the server knows of none. */
export const plotsQuery = (suite: string) =>
  queryOptions({
    queryKey: [...keys.plots, suite],
    queryFn: async ({ signal }) => {
      try {
        return await api.suitePlots({ suite }, { signal })
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return []
        throw error
      }
    },
    staleTime: 60_000,
  })

/** One picture, as SVG. */
export const plotQuery = (suite: string, name: string) =>
  queryOptions({
    queryKey: [...keys.plots, suite, name],
    queryFn: ({ signal }) => api.suitePlot({ suite, file: `${name}.svg` }, { signal }),
    staleTime: 60_000,
  })

/** What made a suite. */
export const originQuery = (suite: string) =>
  queryOptions({
    queryKey: [...keys.origin, suite],
    queryFn: ({ signal }) => api.suite({ suite }, { signal }),
    staleTime: 60_000,
  })

/** Self-tests of a suite's SAEs, those that were tested. */
export const selfTestsQuery = (suite: string | undefined) =>
  queryOptions({
    queryKey: [...keys.selfTests, suite],
    queryFn: ({ signal }) => api.selfTests({ suite: suite ?? '' }, { signal }),
    enabled: suite !== undefined,
    staleTime: 30_000,
  })
