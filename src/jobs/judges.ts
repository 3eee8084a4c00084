/** Who judges labels: a language model, an embedding model, the sentence encoder of this machine, or nobody but the program. */
import type { Asker, ScorerName } from '../label/index.ts'
import { type Embedder, openEmbedder } from '../search/index.ts'
import { type Database, type EmbedderSource, storedEmbedder } from '../store/index.ts'
import { type AskingOptions, type AskSettings, openSuiteAsker } from './asking.ts'

/** Who can be asked. */
export type Judges = {
  /** Without it only scorers that ask nobody can work. */
  readonly ask?: AskSettings | undefined
  /** A sentence encoder on this machine, which embeds for free; else `ask` does. */
  readonly encoder?: EmbedderSource | undefined
}

/** Names the judge of scores that nobody is asked for. */
const NOBODY = 'hooke'

/** The sentence encoder that embedded the labels here, if it runs on this machine. */
export async function localEncoder(db: Database): Promise<EmbedderSource | undefined> {
  const stored = await storedEmbedder(db)
  return stored?.source.kind === 'onnx' ? stored.source : undefined
}

/** Whether a scorer's answers cost nothing: they are worked out on this machine. */
export const isFree = (scorer: ScorerName, { encoder }: Judges): boolean =>
  scorer === 'lexical' || (scorer === 'embedding' && encoder !== undefined)

export function judgeOf(scorer: ScorerName, { ask, encoder }: Judges): string {
  if (scorer === 'lexical') return NOBODY
  const model = scorer === 'embedding' ? (encoder?.model ?? ask?.embedding_model) : ask?.model
  return model ?? NOBODY
}

/** An asker over all that the scorers need. @throws Error where somebody is to be asked and nobody is known. */
export async function openJudges(
  { out, scorers, ask, encoder }: Judges & { out: string; scorers: readonly ScorerName[] },
  { signal, onLost }: AskingOptions,
): Promise<{ asker: Asker; asks: boolean; close(): Promise<void> }> {
  const asking = scorers.filter((scorer) => !isFree(scorer, { encoder }))
  if (asking[0] !== undefined && ask === undefined)
    throw new Error(`the ${asking[0]} scorer asks a language model, and none is known here`)
  if (asking.includes('embedding') && ask?.embedding_model === undefined)
    throw new Error(`${ask?.provider} has no embedding model; leave the embedding scorer out`)
  const opened = asking.length > 0 && ask ? await openSuiteAsker(ask, out, signal) : undefined
  if (opened?.lost !== undefined) onLost?.(opened.lost)
  const remote = opened?.asker ?? nobody
  const local =
    encoder !== undefined && scorers.includes('embedding') ? await openEmbedder(encoder) : undefined
  return {
    asker: local
      ? { ...remote, ask: (question) => answer(question, local, remote, signal) }
      : remote,
    asks: opened !== undefined,
    close: async () => local?.close(),
  }
}

async function answer(
  question: Parameters<Asker['ask']>[0],
  local: Embedder,
  remote: Asker,
  signal: AbortSignal,
): ReturnType<Asker['ask']> {
  if (question.kind !== 'similarity') return remote.ask(question)
  const [query] = await local.embed([question.query], 'query', signal)
  const texts = await local.embed(question.texts, 'text', signal)
  const cosines = texts.map((text) => text.reduce((sum, x, i) => sum + x * query![i]!, 0))
  return { text: JSON.stringify(cosines), complete: true, usage: undefined }
}

/** Who is asked where no scorer asks. */
const nobody: Asker = {
  model: NOBODY,
  concurrency: 1,
  prices: undefined,
  ask: () => Promise.reject(new Error('this scorer asks a language model, and none is known here')),
  spent: () => ({ n_calls: 0, n_remembered: 0, input_tokens: 0, output_tokens: 0 }),
}
