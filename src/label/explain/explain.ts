/**
 * Labels by a language model.
 *
 * 1. Latents are taken one by one; those that need no call (already labelled, nothing to show) are counted and left out.
 * 2. An explainer makes the question from the examples that it may see; the others are kept for scoring.
 * 3. Each answer is read strictly and handed out at once; one that cannot be read leaves no label and is reported.
 */
import type { LatentRecord } from '../../latents/index.ts'
import { type Asker, CapError, type Spent } from '../ask/asker.ts'
import { CallError } from '../ask/call.ts'
import type { CallAnswer, ChatQuestion } from '../ask/question.ts'
import { sideBySide } from '../ask/sideBySide.ts'
import { splitExamples } from '../examples/shown.ts'
import { contexts } from './contexts.ts'
import { contrastive } from './contrastive.ts'
import { pairs } from './pairs.ts'
import { type Explainer, type NearMiss, parseLabel } from './prompt.ts'

/** Explainers by name. */
export const EXPLAINERS = { pairs, contexts, contrastive } as const satisfies Record<
  string,
  Explainer
>

export type ExplainerName = keyof typeof EXPLAINERS

const EVIDENCE: Readonly<Record<ExplainerName, string>> = {
  pairs: 'tokens with their activations, read by a language model',
  contexts:
    'top examples with marked tokens, next tokens and raised tokens, read by a language model',
  contrastive:
    'top examples with marked tokens beside near misses on which it is silent, read by a language model',
}

const MAX_OUTPUT_TOKENS = 120
const USUAL_OUTPUT_TOKENS = 25

/** Who says so, for the label's `author`: the language model and what it was shown. */
export const authorOf = (model: string, explainer: ExplainerName): string =>
  `${model} (${explainer})`

export type ExplainOptions = {
  readonly explainer: ExplainerName
  /** [d_vocab] each token's text with its leading space. */
  readonly pieces: readonly string[]
  /** How latents are named in the journal. */
  readonly hook: string
  /** For the contrastive explainer. */
  readonly near_misses?: (record: LatentRecord) => readonly NearMiss[]
  /** Added to the longest answer in tokens: for models that think before they answer. */
  readonly thinking_tokens?: number | undefined
}

export type ExplainRunOptions = ExplainOptions & {
  /** Latents that have their label already. */
  readonly skip?: (latent: number) => boolean
  readonly signal?: AbortSignal | undefined
}

export type ExplainEvent =
  | {
      readonly type: 'label'
      readonly latent: number
      readonly text: string
      readonly method: 'llm'
      readonly author: string
      readonly evidence: string
    }
  | { readonly type: 'failed'; readonly latent: number; readonly error: string }
  | ExplainSummary

export type ExplainSummary = Spent & {
  readonly type: 'done'
  readonly n_labelled: number
  readonly n_failed: number
  /** Had a label, or have nothing to show. */
  readonly n_skipped: number
  /** Why it ended before the last latent. */
  readonly stopped?: 'max_cost'
}

/** The question about one latent; undefined where there is nothing to show. */
export function explainQuestion(
  record: LatentRecord,
  { explainer, pieces, hook, near_misses, thinking_tokens = 0 }: ExplainOptions,
): ChatQuestion | undefined {
  const prompt = EXPLAINERS[explainer]({
    record,
    examples: splitExamples(record).shown,
    near_misses: near_misses?.(record) ?? [],
    pieces,
  })
  return (
    prompt && {
      kind: 'chat',
      ...prompt,
      purpose: `${explainer} ${hook}/${record.index}`,
      max_output_tokens: MAX_OUTPUT_TOKENS + thinking_tokens,
      usual_output_tokens: USUAL_OUTPUT_TOKENS + thinking_tokens,
    }
  )
}

/**
 * Labels latents, yielding each result as soon as it is there (not in order) and a summary at the end. Whoever leaves the loop
 * early aborts the asker.
 * @throws CallError when the server refuses the key or does not know the model, after the results that came before; the signal's
 * reason when aborted.
 */
export async function* explainLatents(
  records: Iterable<LatentRecord> | AsyncIterable<LatentRecord>,
  asker: Asker,
  options: ExplainRunOptions,
): AsyncGenerator<ExplainEvent, void, void> {
  const { explainer, skip, signal } = options
  const author = authorOf(asker.model, explainer)
  const n = { labelled: 0, failed: 0, skipped: 0 }
  let stopped = false
  const explain = async (record: LatentRecord) => {
    const question = skip?.(record.index) ? undefined : explainQuestion(record, options)
    try {
      return { latent: record.index, answer: question && (await asker.ask(question)) }
    } catch (error) {
      if (error instanceof CapError) stopped = true
      return { latent: record.index, error }
    }
  }
  const pool = { width: asker.concurrency, isOver: () => stopped }
  for await (const { latent, answer, error } of sideBySide(records, pool, explain)) {
    signal?.throwIfAborted()
    if (error instanceof CallError && error.fatal) throw error
    if (error instanceof CapError) continue
    if (!answer && error === undefined) {
      n.skipped++
      continue
    }
    const read = answer ? readLabel(answer) : { error: messageOf(error) }
    if ('text' in read) {
      n.labelled++
      yield {
        type: 'label',
        latent,
        method: 'llm',
        author,
        text: read.text,
        evidence: EVIDENCE[explainer],
      }
    } else {
      n.failed++
      yield { type: 'failed', latent, error: read.error }
    }
  }
  yield {
    type: 'done',
    n_labelled: n.labelled,
    n_failed: n.failed,
    n_skipped: n.skipped,
    ...asker.spent(),
    ...(stopped ? { stopped: 'max_cost' } : {}),
  }
}

function readLabel({ text, complete }: CallAnswer): { text: string } | { error: string } {
  if (!complete) return { error: 'the answer was cut at its longest, expected a short label' }
  try {
    const label = parseLabel(text)
    return label === null
      ? { error: 'the language model sees no pattern in the examples' }
      : { text: label }
  } catch (error) {
    return { error: messageOf(error) }
  }
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
