/** Search: by words, by a text, by a direction, by contrast. */
import { z } from '@hono/zod-openapi'
import { LabelMethod, LatentChip, SaeId, TokenView } from './common.ts'

export const SearchKind = z.enum(['all', 'label', 'token', 'logit', 'meaning'])

const whole = z.coerce.number().int().min(0)
const share = z.coerce.number().min(0).max(1)

/** Which latents may be found; all filters given must hold. Those on labels ask for one label in force that has all of it. */
export const SearchFilters = z.object({
  suite: z.string().optional(),
  sae: SaeId.optional(),
  /** Blocks, both ends included. */
  layer_from: whole.optional(),
  layer_to: whole.optional(),
  /** The site without its block: `hook_resid_post`. */
  site: z.string().optional(),
  /** Share of tokens, both ends included. */
  density_from: share.optional(),
  density_to: share.optional(),
  /** Least score of the label, by whichever scorer. */
  score_from: share.optional(),
  method: LabelMethod.optional(),
  author: z.string().optional(),
})

export const SearchResult = z.object({
  /** Latents found; where `more`, at least so many. */
  n_total: z.number(),
  /** The search stopped before it had found everything. */
  more: z.boolean(),
  took_ms: z.number(),
  /** What was looked for instead, where nothing is spelt like the query. */
  read_as: z.string().optional(),
  hits: z.array(
    LatentChip.extend({
      matched: z.enum(['label', 'token', 'logit', 'meaning']),
      /** The label or the tokens that matched. */
      snippet: z.string(),
      rank: z.number(),
    }),
  ),
})

/** How activations of different sites are compared: as a share of each latent's own maximum, or as they are. */
const ActScale = z.enum(['share', 'act'])

const TextOptions = SearchFilters.extend({
  scale: ActScale.default('share'),
  /** Leave out latents that fire on more than this share of tokens. */
  max_density: z.number().min(0).max(1).default(0.1),
  limit: z.number().int().min(1).max(200).default(30),
})

export const TextSearchRequest = TextOptions.extend({
  text: z.string().min(1).max(20_000),
  /** Positions to rank by; all tokens that are not special where absent. */
  tokens: z.array(z.number().int().min(0)).min(1).max(20_000).optional(),
  by: z.enum(['max', 'mean']).default('max'),
})

export const TextSearch = z.object({
  tokens: z.array(TokenView),
  /** Positions that latents were ranked by. */
  chosen: z.array(z.number()),
  /** Latents active on any of them. */
  n_total: z.number(),
  took_ms: z.number(),
  hits: z.array(
    LatentChip.extend({
      act: z.number(),
      /** act / the latent's own maximum in the corpus. */
      strength: z.number().optional(),
      /** The chosen token where it is largest. */
      token: z.number(),
    }),
  ),
  /** What was left out and why, in words. */
  left_out: z.array(z.string()),
})

export const VectorSearchRequest = SearchFilters.extend({
  /** [d] numbers in the space that a site writes; or `like`. */
  vector: z.array(z.number()).min(1).max(65_536).optional(),
  /** A latent whose decoder row is the vector; it is not among the hits. */
  like: z.object({ sae: SaeId, index: z.number().int().min(0) }).optional(),
  limit: z.number().int().min(1).max(200).default(30),
}).refine(({ vector, like }) => (vector === undefined) !== (like === undefined), {
  message: 'expected either vector or like',
})

export const VectorSearch = z.object({
  /** Latents that were compared. */
  n_total: z.number(),
  took_ms: z.number(),
  hits: z.array(LatentChip.extend({ cosine: z.number() })),
  left_out: z.array(z.string()),
})

const texts = z.array(z.string().min(1).max(20_000)).min(1).max(64)

export const ContrastRequest = TextOptions.extend({ a: texts, b: texts })

const BySide = z.object({ a: z.number(), b: z.number() })

export const ContrastHit = LatentChip.extend({
  /** Mean over the tokens of each side, off counted as 0; in units of `scale`. */
  mean_a: z.number(),
  mean_b: z.number(),
  /** mean_a - mean_b */
  difference: z.number(),
  /** Of the difference, with the text as the unit that varies; absent where a side has one text. */
  standard_error: z.number().optional(),
  /** The difference in pooled standard deviations over tokens. */
  effect_size: z.number().optional(),
})

export const ContrastSearch = z.object({
  n_texts: BySide,
  /** Tokens read; special ones are not. */
  n_tokens: BySide,
  took_ms: z.number(),
  more_in_a: z.array(ContrastHit),
  more_in_b: z.array(ContrastHit),
  left_out: z.array(z.string()),
})

/** What searches may be restricted to, and whether there is one by meaning. */
export const SearchScope = z.object({
  /** The model that embedded the labels; absent where none did, and search is by letters only. */
  meaning: z.object({ model: z.string() }).optional(),
  /** Who made the labels in force. */
  authors: z.array(z.object({ author: z.string(), method: LabelMethod })),
  /** Whether any label in force has a score. */
  scored: z.boolean(),
})

export type SearchKind = z.infer<typeof SearchKind>
export type SearchFilters = z.infer<typeof SearchFilters>
export type SearchResult = z.infer<typeof SearchResult>
export type TextSearchRequest = z.input<typeof TextSearchRequest>
export type TextSearch = z.infer<typeof TextSearch>
export type VectorSearchRequest = z.input<typeof VectorSearchRequest>
export type VectorSearch = z.infer<typeof VectorSearch>
export type ContrastRequest = z.input<typeof ContrastRequest>
export type ContrastHit = z.infer<typeof ContrastHit>
export type ContrastSearch = z.infer<typeof ContrastSearch>
export type SearchScope = z.infer<typeof SearchScope>
