/** One steering example for the end of the demo, chosen by measurement from the latents themselves. */
import type { LatentView, SteerEvent } from '../server/index.ts'
import { renderSideBySide } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

const PROMPT = 'The old man looked at'
const STRENGTH = 2
const N_CANDIDATES = 8

type Candidate = { id: string; hook: string; index: number; token: string; share: number }
type Trial = { candidate: Candidate; plain: string; steered: string; gain: number }

/**
 * Of the latents whose top examples peak most often on one word, the few best are steered; the one whose word the
 * steered text gains most, less what it repeats, is shown beside the default of the same seed.
 */
export async function renderSteeringExample(
  url: string,
  suite: string,
  folder: string,
): Promise<string> {
  const trials: Trial[] = []
  for (const candidate of await candidates(suite, folder)) trials.push(await steer(url, candidate))
  const best = trials.reduce<Trial | undefined>(
    (a, b) => (a && a.gain >= b.gain ? a : b),
    undefined,
  )
  if (best === undefined) return 'No latent fires on one word often enough for a steering example.'
  const { candidate, plain, steered } = best
  const view = (await (
    await fetch(new URL(`/api/saes/${candidate.id}/latents/${candidate.index}`, url))
  ).json()) as LatentView
  const title = `Steering ${candidate.hook}/${candidate.index} (${view.label ?? candidate.token}): add ${STRENGTH} times its maximum, chosen from ${trials.length} latents by how often its word then appears`
  return `${title}\n${renderSideBySide([`default: ${PROMPT}${plain}`, `steered: ${PROMPT}${steered}`])}`
}

/** Latents of the middle layers that fire on few tokens and whose top examples peak on one word. */
async function candidates(suite: string, folder: string): Promise<Candidate[]> {
  const { openLatents } = await import('../latents/disk.ts')
  const { openPieces, saeId } = await import('../jobs/index.ts')
  const entries = await suiteEntries(folder)
  const pieces = await openPieces(folder)
  const found: Candidate[] = []
  for (const entry of entries.slice(Math.floor(entries.length / 3))) {
    const latents = await openLatents(entry.path)
    try {
      const n_active = await latents.column('n_active')
      const tokens = await latents.column('top_token_id')
      const counts = await latents.column('top_token_count')
      const width = tokens.length / latents.d_sae
      for (let index = 0; index < latents.d_sae; index++) {
        const density = n_active[index]! / latents.n_tokens
        const piece = pieces?.(tokens[index * width]!) ?? ''
        if (density < 2e-4 || density > 1e-2 || !/^\s\p{L}{4,}$/u.test(piece)) continue
        found.push({
          id: saeId(suite, entry),
          hook: entry.hook,
          index,
          token: piece,
          share: counts[index * width]!,
        })
      }
    } finally {
      await latents.close()
    }
  }
  found.sort((a, b) => b.share - a.share || a.hook.localeCompare(b.hook) || a.index - b.index)
  const words = new Set<string>()
  const unique = found.filter(({ token }) => !words.has(token) && words.add(token))
  return unique.slice(0, N_CANDIDATES)
}

async function steer(url: string, candidate: Candidate): Promise<Trial> {
  const response = await fetch(new URL('/api/steer', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      prompt: PROMPT,
      interventions: [
        { sae: candidate.id, latent: candidate.index, mode: 'add', strength: STRENGTH },
      ],
      max_tokens: 40,
      temperature: 0.7,
      seed: 1,
    }),
  })
  const events = (await response.text())
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => JSON.parse(line.slice('data:'.length)) as SteerEvent)
  const end = events.find((event) => event.type !== 'token')
  if (end?.type !== 'done')
    throw new Error(
      `steering ${candidate.hook}/${candidate.index}: ${end?.error ?? response.statusText}`,
    )
  const word = candidate.token.trim().toLowerCase()
  const count = (text: string) => text.toLowerCase().split(word).length - 1
  const words = end.steered.split(/\s+/)
  const variety = new Set(words).size / words.length
  return {
    candidate,
    plain: end.default,
    steered: end.steered,
    gain: Math.min(3, count(end.steered) - count(end.default)) * variety,
  }
}
