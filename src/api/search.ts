/** Search. */
import { z } from '@hono/zod-openapi'
import { LatentChip } from './common.ts'

export const SearchKind = z.enum(['all', 'label', 'token', 'logit'])

export const SearchResult = z.object({
  n_total: z.number(),
  took_ms: z.number(),
  hits: z.array(
    LatentChip.extend({
      matched: z.enum(['label', 'token', 'logit']),
      /** The label or the tokens that matched. */
      snippet: z.string(),
      rank: z.number(),
    }),
  ),
})

export type SearchKind = z.infer<typeof SearchKind>
export type SearchResult = z.infer<typeof SearchResult>
