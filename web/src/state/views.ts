/** The views: where each lies, what it is called, and the key that leads to it. The bar, the palette, help and titles read this. */
import { latentName, saeName } from '../format/names.ts'

/** In the order of the bar. `key` follows `g`. */
export const views = [
  { to: '/', name: 'Microscope', key: 'm', does: 'what each layer makes of each token' },
  { to: '/search', name: 'Search', key: 's', does: 'find latents' },
  { to: '/steer', name: 'Steer', key: 't', does: 'change a latent while the model writes' },
  { to: '/compare', name: 'Compare', key: 'c', does: 'two of a kind, side by side' },
  { to: '/review', name: 'Review', key: 'r', does: 'guess, then judge labels' },
  { to: '/suite', name: 'Suite', key: 'u', does: 'metrics, training, latents in a list' },
  { to: '/learn', name: 'Learn', key: 'l', does: 'read your first latent, step by step' },
] as const

/** A view as help names it. */
export type ViewName = (typeof views)[number]['name'] | 'Latent'

/** The view at a path; undefined where there is none. */
export function viewAt(pathname: string): ViewName | undefined {
  if (pathname.startsWith('/latent/')) return 'Latent'
  return views.find(({ to }) => to === pathname)?.name
}

/** The window's title at a path: "Search – Hooke", "layer 3 · 12 – Hooke". */
export function titleAt(pathname: string): string {
  const [, , sae, index] = pathname.split('/')
  const view = viewAt(pathname)
  if (view !== 'Latent' || !sae || index === undefined) return `${view ?? 'Not found'} – Hooke`
  return `${latentName(saeName(decode(sae)).hook, Number(index))} – Hooke`
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
