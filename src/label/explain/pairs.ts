/** The explainer by token–activation pairs: every token of a text with how strongly the latent fires on it. Source: Bills et al. 2023. */
import type { LatentExample } from '../../latents/index.ts'
import { pieceOf } from '../examples/text.ts'
import { ANSWER, type Explainer } from './prompt.ts'

const HIGHEST = 10

const SYSTEM = `You name detectors found inside a small language model. A detector looks for one thing in a text and fires where it finds it. You are shown short texts, one token a line, each followed by a tab and how strongly the detector fires on it: 0 is silent, ${HIGHEST} is the strongest it was seen. Tokens keep their leading space; a new line is shown as ↵.

Look at the tokens with high numbers first, then at what stands before them, since the detector has read nothing that comes later. Weaker numbers show what it finds only in part. Say what it looks for, not which words you were shown, so that a reader could tell where it will fire in a new text.

${ANSWER}`

/** `min(10, floor(10 a / max))`, 0 for an activation that is not above 0. */
export const level = (act: number, max: number): number =>
  max > 0 ? Math.min(HIGHEST, Math.floor((HIGHEST * Math.max(0, act)) / max)) : 0

export const pairs: Explainer = ({ examples, pieces }) => {
  if (examples.length === 0) return undefined
  const piece = pieceOf(pieces)
  const max = Math.max(...examples.map((e) => e.values[e.peak]!))
  const rows = ({ ids, values }: LatentExample) =>
    Array.from(ids, (id, at) => ({
      text: piece(id).replaceAll('\n', '↵').replaceAll('\t', ' '),
      level: level(values[at]!, max),
    }))
  const lines = (of: readonly { text: string; level: number }[]) =>
    of.map((row) => `${row.text}\t${row.level}`).join('\n')
  const texts = examples.map((e, i) => `Text ${i + 1}:\n${lines(rows(e))}`)
  const firing = examples.flatMap(rows).filter((row) => row.level > 0)
  return {
    system: SYSTEM,
    user: [...texts, `The same without the zeros:\n${lines(firing)}`].join('\n\n'),
  }
}
