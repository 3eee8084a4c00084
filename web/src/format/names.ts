/** Short names for sites and latents, as they stand in rows, chips and cells. */

/** The parts of an SAE's id, `<suite>~<hook>~width_<W>~l0_<K>`. */
export type SaeName = { suite: string; hook: string; width: string; l0: string }

/** Takes an SAE's id apart; an id of another form is shown whole as the hook. */
export function saeName(id: string): SaeName {
  const [suite, hook, width, l0] = id.split('~')
  if (!suite || !hook || !width || !l0) return { suite: '', hook: id, width: '', l0: '' }
  return { suite, hook, width: width.replace('width_', ''), l0: l0.replace('l0_', '') }
}

const sites: Record<string, string> = {
  hook_resid_pre: 'pre',
  hook_resid_mid: 'mid',
  hook_resid_post: '',
  'attn.hook_z': 'z',
  hook_attn_out: 'attn',
  'ln2.hook_normalized': 'mlp in',
  hook_mlp_out: 'mlp',
}

/** A hook as a row's name: `blocks.3.hook_resid_post` is "layer 3", `blocks.3.hook_mlp_out` is "layer 3 mlp". */
export function siteName(hook: string): string {
  const match = /^blocks\.(\d+)\.(.+)$/.exec(hook)
  if (!match) return hook.replace(/^hook_/, '')
  const site = sites[match[2] ?? ''] ?? match[2]
  return site ? `layer ${match[1]} ${site}` : `layer ${match[1]}`
}

/** The block of a hook as text; empty outside the blocks. */
export const siteLayer = (hook: string): string => /^blocks\.(\d+)\./.exec(hook)?.[1] ?? ''

/** A hook without its block: `blocks.3.hook_mlp_out` is "mlp_out", `blocks.3.attn.hook_z` is "attn z". */
export const siteKind = (hook: string): string =>
  hook
    .replace(/^blocks\.\d+\./, '')
    .replace('attn.', 'attn ')
    .replace('mlp.', 'mlp ')
    .replace('hook_', '')

/** A latent as "layer 3 · 1204". */
export function latentName(hook: string, index: number): string {
  return `${siteName(hook)} · ${index}`
}

/**
 * A label for a cell: what stands before its first semicolon (a lexical one goes on with what else it names), of which a list
 * ends where an item does, and after the first item within `most` characters. "“G…” in Good, Go, Give after a quotation mark;
 * also “h…”" is "“G…” in Good, Go, Give".
 */
export function briefLabel(label: string, most = 42): string {
  const head = /^(?:“[^”]*”|[^;]|;(?! ))*/.exec(label)?.[0] || label
  const items = head.split(', ')
  let brief = items[0] ?? ''
  for (const item of items.slice(1)) {
    if (brief.length + 2 + item.length > most) {
      const word = /^(“[^”]*”|\S+)/.exec(item)?.[0] ?? ''
      return brief.length + 2 + word.length > most ? brief : `${brief}, ${word}`
    }
    brief += `, ${item}`
  }
  return brief
}

/** The key of a latent in maps and URLs: `<sae>/<index>`. */
export const latentKey = (sae: string, index: number) => `${sae}/${index}`

/** A key back to its parts, or undefined where it is not one. */
export function parseLatentKey(
  key: string | undefined,
): { sae: string; index: number } | undefined {
  const cut = key?.lastIndexOf('/') ?? -1
  if (!key || cut <= 0) return undefined
  const digits = key.slice(cut + 1)
  return /^\d+$/.test(digits) ? { sae: key.slice(0, cut), index: Number(digits) } : undefined
}

/**
 * A token's piece so that nothing in it is invisible: a leading space as a thin open box where `spaces` is
 * "shown", other white space and control characters by their symbols; an empty piece as ∅.
 */
export function visiblePiece(piece: string, spaces: 'shown' | 'kept' = 'kept'): string {
  if (piece === '') return '∅'
  const seen = piece.replaceAll('\n', '↵').replaceAll('\t', '⇥').replace(invisible, '·')
  return spaces === 'shown' ? seen.replaceAll(' ', '␣') : seen
}

// Controls, zero-width and direction-changing characters: they could hide or reorder their surroundings.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const invisible = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g
