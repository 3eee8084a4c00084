/** One steering example for the end of the demo, chosen by measurement from the latents themselves. */
import { type Client, createClient } from '../api/index.ts'
import { renderSideBySide } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

const PROMPT = 'The old house stood'
const STRENGTHS = [0.5, 0.75, 1]
const N_CANDIDATES = 8
/** Raised output tokens that must all be whole words, and that the steered text is searched for. */
const N_WORDS = 5

type Candidate = {
  readonly id: string
  readonly hook: string
  readonly index: number
  readonly words: readonly string[]
  /** How many of the words are among the tokens that it fires on most. */
  readonly n_shared: number
  /** Logits that the last of the words gains at the latent's maximum. */
  readonly effect: number
}
type Trial = {
  readonly candidate: Candidate
  readonly strength: number
  readonly plain: string
  readonly steered: string
  readonly gain: number
}

/**
 * The few latents that fire on a class of words and raise it most are steered. Shown is the text that gains most different words of its latent
 * over the default of the same seed; a text that stammers (its share of different words falls by a quarter) does not count.
 */
export async function renderSteeringExample(
  url: string,
  suite: string,
  folder: string,
): Promise<string> {
  const client = createClient(url)
  const found = await candidates(suite, folder)
  const trials: Trial[] = []
  for (const candidate of found)
    for (const strength of STRENGTHS) trials.push(await steer(client, candidate, strength))
  const [best] = trials.sort((a, b) => b.gain - a.gain)
  if (best === undefined)
    return 'No latent raises the words it fires on, so there is no steering example.'
  const { candidate, strength, plain, steered } = best
  const { label } = await client.latent({ sae: candidate.id, index: candidate.index })
  const title = `Steering ${candidate.hook}/${candidate.index}, labelled ${label ?? 'not yet'}, by ${strength} times its maximum`
  const why = `(of ${found.length} latents that raise the words they fire on, the one whose words ${candidate.words.join(', ')} came up most)`
  const texts = [`default: ${PROMPT}${plain}`, `steered: ${PROMPT}${steered}`]
  return `${title}\n${why}\n\n${renderSideBySide(texts)}`
}

/**
 * Latents of a class of words: they fire on few tokens, all that they raise most are whole words, and they fire most
 * on two of these or more. Most of these first, then strongest effects.
 */
async function candidates(suite: string, folder: string): Promise<Candidate[]> {
  const { openLatents } = await import('../latents/disk.ts')
  const { openPieces, saeId } = await import('../jobs/index.ts')
  const pieces = await openPieces(folder)
  const found: Candidate[] = []
  for (const entry of await suiteEntries(folder)) {
    const latents = await openLatents(entry.path)
    try {
      const { info, columns } = await latents.read()
      if (info.logits_absent !== undefined) continue
      const width = columns.top_logit_id.length / info.d_sae
      const n_peaks = columns.top_token_id.length / info.d_sae
      for (let index = 0; index < info.d_sae; index++) {
        const density = columns.n_active[index]! / info.n_tokens
        const at = index * width
        const words = Array.from(columns.top_logit_id.subarray(at, at + N_WORDS), pieces)
        if (density < 3e-4 || density > 1e-2) continue
        if (!words.every((word) => /^ \p{L}{3,}$/u.test(word))) continue
        const peaks = columns.top_token_id.subarray(index * n_peaks, (index + 1) * n_peaks)
        const n_shared = Array.from(peaks, pieces).filter((peak) => words.includes(peak)).length
        if (n_shared < 2) continue
        const effect = columns.top_logit_effect[at + N_WORDS - 1]! * columns.max_act[index]!
        const id = saeId(suite, entry)
        found.push({
          id,
          hook: entry.hook,
          index,
          words: words.map((w) => w.trim()),
          n_shared,
          effect,
        })
      }
    } finally {
      await latents.close()
    }
  }
  return found.sort((a, b) => b.n_shared - a.n_shared || b.effect - a.effect).slice(0, N_CANDIDATES)
}

async function steer(client: Client, candidate: Candidate, strength: number): Promise<Trial> {
  const { id: sae, index: latent, words } = candidate
  const interventions = [{ sae, latent, mode: 'add' as const, strength }]
  const asked = { prompt: PROMPT, interventions, max_tokens: 40, temperature: 0.7, seed: 1 }
  const events = await Array.fromAsync(client.steer(asked))
  const end = events.find((event) => event.type !== 'token')
  if (end?.type !== 'done')
    throw new Error(`steering ${sae} latent ${latent}: ${end?.error ?? 'it ended too early'}`)
  const wordsOf = (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? []
  const raised = new Set(words.map((word) => word.toLowerCase()))
  const heard = (text: string) => new Set(wordsOf(text).filter((word) => raised.has(word))).size
  const variety = (text: string) => new Set(wordsOf(text)).size / Math.max(1, wordsOf(text).length)
  const holds = variety(end.steered) >= 0.75 * variety(end.default)
  const gain = holds ? heard(end.steered) - heard(end.default) + 0.1 * variety(end.steered) : 0
  return { candidate, strength, plain: end.default, steered: end.steered, gain }
}
