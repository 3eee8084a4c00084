/** Light or dark: the system's choice until the reader makes another, which is remembered. */
import { recall, remember } from './remembered.ts'

/** What the reader may choose. */
export type Theme = 'system' | 'light' | 'dark'
const order = ['system', 'light', 'dark'] as const

/** The chosen theme. */
const theme = (): Theme => order.find((t) => t === recall('theme')) ?? 'system'

/** Puts the chosen theme on the document; the style sheets read `data-theme`. */
export function applyTheme(): void {
  const chosen = theme()
  if (chosen === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = chosen
}

/** Switches to the opposite of what is shown, or back to the system's choice where they agree. */
export function toggleTheme(): Theme {
  const systemDark = matchMedia('(prefers-color-scheme: dark)').matches
  const chosen = theme()
  const dark = chosen === 'system' ? systemDark : chosen === 'dark'
  const wanted: Theme = dark ? 'light' : 'dark'
  remember('theme', (wanted === 'dark') === systemDark ? 'system' : wanted)
  applyTheme()
  return theme()
}
