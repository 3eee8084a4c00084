/** The review queue: latents whose labels a person should look at, what was decided, and how far people and labels agree. */
import { z } from '@hono/zod-openapi'
import { LabelMethod, SaeId } from './common.ts'

/** Which latents: those with a label in force of this method and author; machines' labels where no method is given. */
export const ReviewFilter = z.object({
  suite: z.string().optional(),
  sae: SaeId.optional(),
  method: LabelMethod.optional(),
  /** Of the label. */
  author: z.string().max(200).optional(),
})

const Reviewer = z.string().trim().min(1).max(100).default('me')

export const ReviewItem = z.object({
  sae: SaeId,
  hook: z.string(),
  index: z.number(),
  /**
   * Of the label that is most in doubt the largest of 1 - score, the share of votes against, half the share of blind guesses that
   * differ, and half of how far another label differs in its words; absent while none is known, and in a blind sample.
   */
  doubt: z.number().optional(),
  /** Which of them that is. */
  why: z.enum(['score', 'votes', 'guesses', 'labels']).optional(),
  density: z.number(),
})

export const ReviewQueue = z.object({
  /** Most doubtful first, then most used; drawn at random where the review is blind. */
  items: z.array(ReviewItem),
  /** Latents that this reviewer has not decided on, and those that they have. */
  n_left: z.number(),
  n_done: z.number(),
  /** Whose labels there are in the suite or SAE asked for, the most first, at most 100. */
  claimants: z.array(z.object({ method: LabelMethod, author: z.string(), n_labels: z.number() })),
})

export const ReviewDecision = z.enum(['accept', 'edit', 'dispute', 'skip'])
export const Verdict = z.enum(['same', 'partly', 'different'])

export const NewReview = z
  .object({
    sae: SaeId,
    latent: z.number().int().min(0),
    reviewer: Reviewer,
    blind: z.boolean().default(false),
    /** What the examples seemed to share before any label was seen. */
    guess: z.string().trim().min(1).max(500).optional(),
    decision: ReviewDecision,
    /** The label that is accepted or disputed. */
    label: z.number().int().min(0).optional(),
    /** What is written instead. */
    text: z.string().trim().min(1).max(500).optional(),
    /** How the guess compares with labels, each judged before it was known whose it is. */
    judgements: z
      .array(z.object({ label: z.number().int().min(0), verdict: Verdict.optional() }))
      .max(50)
      .default([]),
  })
  .refine(
    ({ decision, label }) =>
      (decision === 'accept' || decision === 'dispute') === (label !== undefined),
    { path: ['label'], message: 'goes with accept and dispute, and with nothing else' },
  )
  .refine(({ decision, text }) => (decision === 'edit') === (text !== undefined), {
    path: ['text'],
    message: 'goes with edit, and with nothing else',
  })
  .refine(({ guess, judgements }) => guess !== undefined || judgements.length === 0, {
    path: ['guess'],
    message: 'is needed where labels are judged by it',
  })

export const Review = z.object({
  id: z.number(),
  sae: SaeId,
  latent: z.number(),
  reviewer: z.string(),
  /** False where the reviewer had decided on the latent before, and so had seen its labels. */
  blind: z.boolean(),
  guess: z.string().optional(),
  decision: ReviewDecision,
  /** The label accepted, disputed or written. */
  label: z.number().optional(),
})

const Share = z.object({ share: z.number(), low: z.number(), high: z.number() })

/** How far guesses that were made blind agree with the labels of one method and author. */
export const Agreement = z.object({
  method: LabelMethod,
  author: z.string(),
  n_reviewers: z.number(),
  /** Guesses that were judged. */
  n: z.number(),
  /** Judged the same; the same or partly. With 95 % intervals (Wilson). */
  same: Share,
  at_least_partly: Share,
  /** Words in both over words in either, mean over the n_overlap pairs that hold words. */
  overlap: z.number().optional(),
  n_overlap: z.number(),
  /** The same with the labels of other latents that were judged: what chance gives. */
  overlap_by_chance: z.number().optional(),
})

export type ReviewFilter = z.infer<typeof ReviewFilter>
export type ReviewItem = z.infer<typeof ReviewItem>
export type ReviewQueue = z.infer<typeof ReviewQueue>
export type ReviewDecision = z.infer<typeof ReviewDecision>
export type Verdict = z.infer<typeof Verdict>
export type NewReview = z.input<typeof NewReview>
export type Review = z.infer<typeof Review>
export type Agreement = z.infer<typeof Agreement>
