/** The latents that a suite is learned on. */
import { queryOptions } from '@tanstack/react-query'
import type { SaeSummary } from '../../../src/api/index.ts'
import { inLessonOrder, lessonCandidates, middleSaes } from '../format/lessonLatents.ts'
import { api } from './client.ts'
import { keys } from './queries.ts'

const asked = { latents: 500, candidates: 12 }

/** Latents of the suite's middle in the order to learn on; none where nothing is indexed yet. */
export const lessonQuery = (saes: readonly SaeSummary[]) => {
  const ids = middleSaes(saes).map(({ id }) => id)
  return queryOptions({
    queryKey: [...keys.beginnings, 'lesson', ids],
    queryFn: async ({ signal }) => {
      const strongest = { sort: 'max_act', order: 'desc', limit: asked.latents } as const
      const lists = await Promise.all(
        ids.map((sae) => api.latents({ sae, ...strongest }, { signal })),
      )
      const latents = lessonCandidates(
        lists.flatMap((list) => list.latents),
        asked.candidates,
      )
      const views = await Promise.all(
        latents.map(({ sae, index }) => api.latent({ sae, index }, { signal })),
      )
      return inLessonOrder(views).map(({ sae, index }) => `${sae}/${index}`)
    },
    enabled: ids.length > 0,
    staleTime: Number.POSITIVE_INFINITY,
  })
}
