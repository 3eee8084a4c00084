/** What a scorer is: questions about a label, and what their answers say of it. */
import type { LatentRecord } from '../../latents/index.ts'
import type { CallAnswer, Question } from '../ask/question.ts'
import type { Material } from '../examples/material.ts'
import type { LexicalClaim } from '../lexical/claim.ts'
import type { Interval } from './measures.ts'

/** What a language model wrote from the same openings, as it is and with the latent turned up. */
export type Steered = { readonly plain: readonly string[]; readonly steered: readonly string[] }

/** A label and what it is judged on. */
export type Subject = {
  readonly label: string
  /** What the label says as data, where a lexical labeller made it. */
  readonly claim?: LexicalClaim | undefined
  readonly record: LatentRecord
  readonly material: Material
  /** [d_vocab] each token's text with its leading space. */
  readonly pieces: readonly string[]
  /** How the latent is named in the journal. */
  readonly name: string
  /** For the causal scorer. */
  readonly generated?: Steered | undefined
  /** Added to the longest answer in tokens: for models that think before they answer. */
  readonly thinking_tokens: number
}

/** A question and how its answer is read. */
export type Asked = {
  readonly question: Question
  /** @throws Error where the answer is not what was asked for. */
  read(answer: CallAnswer): number[]
}

export type Measure = 'balanced accuracy' | 'accuracy' | 'AUC' | 'correlation'

export type Measured = Interval & {
  readonly measure: Measure
  /** What chance alone would give. */
  readonly chance: number
  /** Texts judged; for the intruder scorer rounds. */
  readonly n: number
}

/** All that a scorer would ask, and how to measure from the answers, in their order. */
export type Plan = {
  readonly asked: readonly Asked[]
  /** undefined where the answers admit no measure. */
  measure(answers: readonly (readonly number[])[]): Measured | undefined
}

/** Why a label cannot be scored: found, expected, what to do. */
export type Lacking = { readonly lacks: string }

export type Scorer = (subject: Subject) => Plan | Lacking
