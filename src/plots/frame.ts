/** What surrounds the panels of a plot: title, what it was measured on, legend; and the SVG document around it all. */

import type { Key } from './series.ts'
import { element, type SvgElement, textWidth } from './svg.ts'

/** The width of every plot, in pixels. */
export const WIDTH = 640

/** A drawn panel and where it goes, from the left of the plot and the foot of what stands above. */
export type PlacedPanel = { readonly panel: SvgElement; readonly x: number; readonly y: number }

/** Text is written in the colour of the page, or where there is none, in dark on light and light on dark. */
const STYLE = `:where(.hooke-plot){color:#1b1f24}
:root:where(.hooke-plot){color-scheme:light dark}
@media(prefers-color-scheme:dark){:where(.hooke-plot){color:#e3e6ea}}`

const KEY_SIZE = 11
const KEY_LINE = 17

/**
 * The whole plot as an SVG document, `WIDTH` wide.
 * @param options.desc what is to be seen, for who cannot see it.
 * @param options.height of all panels together.
 */
export function renderFrame(options: {
  readonly name: string
  readonly title: string
  /** Lines under the title, broken where they are too long. */
  readonly subtitle: readonly string[]
  readonly desc: string
  readonly keys?: readonly Key[]
  readonly panels: readonly PlacedPanel[]
  readonly height: number
}): string {
  const { name, title, subtitle, desc, panels } = options
  const subtitles = subtitle.flatMap((line) => wrap(line, WIDTH - 32, 11.5))
  const keys = renderKeys(options.keys ?? [], 42 + 15 * subtitles.length)
  const top = keys.bottom + 6
  const height = top + options.height + 8
  const svg = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      class: 'hooke-plot',
      viewBox: `0 0 ${WIDTH} ${height}`,
      width: WIDTH,
      height,
      fill: 'currentColor',
      'font-family': 'system-ui, -apple-system, sans-serif',
      'font-size': 11,
      role: 'img',
      'aria-labelledby': `${name}-title ${name}-desc`,
    },
    [
      element('title', { id: `${name}-title` }, [title]),
      element('desc', { id: `${name}-desc` }, [desc]),
      element('style', {}, [STYLE]),
      element('text', { x: 16, y: 24, 'font-size': 15, 'font-weight': 600 }, [title]),
      ...subtitles.map((line, i) =>
        element('text', { x: 16, y: 43 + 15 * i, 'font-size': 11.5, 'fill-opacity': 0.72 }, [line]),
      ),
      ...keys.elements,
      ...panels.map(({ panel, x, y }) => {
        panel.setAttribute('x', String(x))
        panel.setAttribute('y', String(top + y))
        return panel
      }),
    ],
  )
  return `${svg.outerHTML}\n`
}

/** Short lines with their names, side by side in as many rows as it takes. */
function renderKeys(keys: readonly Key[], top: number): { elements: SvgElement[]; bottom: number } {
  const elements: SvgElement[] = []
  let x = 16
  let y = top
  for (const { label, color, dash } of keys) {
    const width = 22 + textWidth(label, KEY_SIZE) + 12
    if (x > 16 && x + width > WIDTH - 16) {
      x = 16
      y += KEY_LINE
    }
    const line = { stroke: color, 'stroke-width': 3, 'stroke-dasharray': dash }
    elements.push(
      element('path', { d: `M${x},${y + 5}h16`, ...line }),
      element('text', { x: x + 21, y: y + 9, 'font-size': KEY_SIZE }, [label]),
    )
    x += width
  }
  return { elements, bottom: keys.length === 0 ? top - 8 : y + KEY_LINE }
}

/** A text in lines no wider than `width` pixels, broken between words. */
function wrap(text: string, width: number, size: number): string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const longer = lines.at(-1) === '' ? word : `${lines.at(-1)} ${word}`
    if (lines.at(-1) !== '' && textWidth(longer, size) > width) lines.push(word)
    else lines[lines.length - 1] = longer
  }
  return lines
}
