/** A latent as people write it, read back: "3/1528", "blocks.3.hook_mlp_out/7", "layer 3 · 1528", "1528". */
import type { SaeSummary } from '../../../src/api/index.ts'
import { siteName } from './names.ts'

/** The dictionaries that hold such a latent, and its index; nothing where the text is no place of a latent. */
export function latentsAt(
  text: string,
  saes: readonly Pick<SaeSummary, 'id' | 'hook' | 'layer' | 'd_sae'>[],
): { sae: string; hook: string; index: number }[] {
  const match = /^(?:(.*?)\s*[/·#\s]\s*)?(\d+)$/.exec(text.trim().toLowerCase())
  if (!match) return []
  const [, place = '', digits] = match
  const index = Number(digits)
  return saes
    .filter(({ d_sae }) => index < d_sae)
    .filter(
      ({ id, hook, layer }) =>
        place === '' ||
        place === String(layer) ||
        place === siteName(hook) ||
        hook === place ||
        (/\p{L}/u.test(place) && id.toLowerCase().includes(place)),
    )
    .map(({ id, hook }) => ({ sae: id, hook, index }))
}
