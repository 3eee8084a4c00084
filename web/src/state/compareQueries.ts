/** Comparisons as queries: of prompts at once, of models with progress, cancelled when nobody waits for them. */
import { keepPreviousData, queryOptions } from '@tanstack/react-query'
import type { CompareModelsRequest } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'

/** Two prompts in a suite's model; the last answer stays while the next is on its way. */
export const promptsQuery = (a: string, b: string, suite: string | undefined, dense: boolean) =>
  queryOptions({
    queryKey: ['compare-prompts', a, b, suite, dense],
    queryFn: ({ signal }) =>
      api.comparePrompts(
        { a, b, ...(suite === undefined ? {} : { suite }), ...(dense ? { max_density: 1 } : {}) },
        { signal },
      ),
    placeholderData: keepPreviousData,
    enabled: a.trim() !== '' && b.trim() !== '' && suite !== undefined,
    staleTime: 60_000,
  })

/** How far a comparison of models is. */
export type ModelsProgress = { readonly share: number; readonly message: string }

/** Two models; `onProgress` is told how far it is. It is not asked again by itself. */
export const modelsQuery = (
  request: CompareModelsRequest | undefined,
  onProgress: (progress: ModelsProgress) => void,
) =>
  queryOptions({
    queryKey: ['compare-models', request],
    queryFn: async ({ signal }) => {
      for await (const event of request ? api.compareModels(request, { signal }) : []) {
        if (event.type === 'done') return event.comparison
        if (event.type === 'error') throw new Error(event.error)
        onProgress(event)
      }
      throw new Error('The stream ended before the comparison was done.')
    },
    enabled: request !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  })
