/** Labels: claims about latents. */
import { z } from '@hono/zod-openapi'
import { LabelMethod, SaeId } from './common.ts'

export const Label = z.object({
  id: z.number(),
  sae: SaeId,
  latent: z.number(),
  text: z.string(),
  method: LabelMethod,
  author: z.string(),
  created_at: z.string(),
  evidence: z.string(),
  score: z.number().optional(),
  score_method: z.string().optional(),
  retired_at: z.string().optional(),
  /** The label by the same method and author that it took the place of; undo brings that one back. */
  replaces: z.number().optional(),
  /** One an author. Absent where there is none. */
  votes: z.array(z.object({ author: z.string(), agrees: z.boolean() })).optional(),
  /** Somebody disputes it, and no more agree than dispute. */
  disputed: z.literal(true).optional(),
})

/** One test of one label. */
export const LabelScore = z.object({
  label: z.number(),
  scorer: z.string(),
  /** The model that judged. */
  judge: z.string(),
  /** What `value` is: balanced accuracy, accuracy, AUC, correlation. */
  measure: z.string(),
  value: z.number(),
  /** Bounds of the 95 % interval. */
  low: z.number(),
  high: z.number(),
  /** What chance alone would give. */
  chance: z.number(),
  /** Texts judged; of the intruder scorer rounds. */
  n: z.number(),
  scored_at: z.string(),
})

const Person = z.string().trim().min(1).max(100)

export const NewLabel = z.object({
  text: z.string().trim().min(1).max(500),
  author: Person.default('me'),
})

/** What an author thinks of a label; `none` takes the vote back. */
export const NewVote = z.object({
  author: Person.default('me'),
  vote: z.enum(['agree', 'dispute', 'none']),
})

/** What an import did. */
export const LabelsImported = z.object({
  /** Lines read, labels among them that said something new, votes that found their label. */
  n_lines: z.number(),
  n_labels: z.number(),
  n_votes: z.number(),
})

export type LabelView = z.infer<typeof Label>
export type LabelScoreView = z.infer<typeof LabelScore>
export type NewLabel = z.input<typeof NewLabel>
export type NewVote = z.input<typeof NewVote>
export type LabelsImported = z.infer<typeof LabelsImported>
