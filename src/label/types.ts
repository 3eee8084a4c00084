/** A label is a claim about a latent: who says so, how, on what evidence, how well it was tested. */

export type Label = {
  readonly id: number
  /** Hook site and index of the latent. */
  readonly hook: string
  readonly latent: number
  readonly text: string
  readonly method: 'manual' | 'lexical' | 'llm'
  /** A person's name, `hooke lexical`, or the language model's id. */
  readonly author: string
  /** ISO 8601 */
  readonly created_at: string
  /** Why: short, readable; e.g. "token ' moon' on 17 of 20 top examples". */
  readonly evidence: string
  /** Measured quality, absent until measured; `score_method` says how. */
  readonly score?: number
  readonly score_method?: string
  /** Superseded or withdrawn labels are kept as history. */
  readonly retired_at?: string
}
