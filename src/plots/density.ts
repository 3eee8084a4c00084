/** How often latents fire: one hill for every SAE. */

import * as Plot from '@observablehq/plot'
import { renderFrame, WIDTH } from './frame.ts'
import { drawPlot } from './panel.ts'
import { oneASite, seriesOf } from './series.ts'
import { element, textWidth } from './svg.ts'
import type { PlottedSae, SuitePlot } from './types.ts'
import { count, measuredOn, percent } from './words.ts'

const ROW = 34
/** A hill may reach this many rows high. */
const OVERLAP = 1.5
const MOST_ROWS = 40
/** Room for `12.3 % dead`. */
const RIGHT = 88

/** Histograms of latents by log density, below one another, and beside each the share of latents that never fired. */
export function densityPlot(all: readonly PlottedSae[]): SuitePlot {
  const saes = oneASite(all, MOST_ROWS)
  const { series, common } = seriesOf(saes, 'l0')
  const rows = series.flatMap(({ label, color, saes }) =>
    saes.map((sae) => ({
      label: saes.length > 1 ? `${label} L0 ${sae.l0_target}`.trim() : label,
      color,
      sae,
    })),
  )
  const top = ROW * (OVERLAP - 0.6)
  const height = top + rows.length * ROW + 44
  const histograms = rows.map(({ sae }) => sae.metrics.density_histogram)
  const edges = histograms.flatMap(({ edges }) => edges)
  const highest = Math.max(
    ...rows.flatMap(({ sae }) => sae.metrics.density_histogram.counts.map((n) => n / sae.d_sae)),
  )
  const from = Math.min(...edges)
  const decades = Array.from({ length: Math.floor(-from) + 1 }, (_, i) => i - Math.floor(-from))
  const hills = rows.map(({ color, sae }, row) => {
    const { edges, counts } = sae.metrics.density_histogram
    const foot = rows.length - 1 - row
    // A step for every bin, closed at both ends.
    const steps = counts.flatMap((n, bin) => {
      const top = foot + (OVERLAP * n) / sae.d_sae / highest
      return [
        { x: edges[bin]!, foot, top },
        { x: edges[bin + 1]!, foot, top },
      ]
    })
    return [
      Plot.areaY(steps, { x: 'x', y1: 'foot', y2: 'top', fill: color, fillOpacity: 0.28 }),
      Plot.lineY(steps, { x: 'x', y: 'top', stroke: color, strokeWidth: 1.4 }),
      Plot.ruleY([foot], { stroke: 'currentColor', strokeOpacity: 0.25 }),
    ]
  })
  const words = (side: 'left' | 'right', text: (row: (typeof rows)[number]) => string) =>
    Plot.text(
      rows.map((row, i) => ({ y: rows.length - 1 - i, text: text(row) })),
      {
        y: 'y',
        text: 'text',
        frameAnchor: side,
        textAnchor: side === 'left' ? 'end' : 'start',
        dx: side === 'left' ? -8 : 8,
        dy: -7,
      },
    )
  const left = Math.min(230, 24 + Math.max(30, ...rows.map(({ label }) => textWidth(label, 11))))
  const panel = drawPlot({
    width: WIDTH,
    height,
    marginTop: top,
    marginLeft: left,
    marginRight: RIGHT,
    marginBottom: 44,
    x: {
      label: null,
      ticks: decades,
      tickFormat: (exponent: number) => percent(10 ** exponent),
      grid: true,
      domain: [from, 0],
    },
    y: { axis: null, domain: [0, rows.length] },
    marks: [
      ...hills.flat(),
      words('left', ({ label }) => label),
      words('right', ({ sae }) => `${(100 * sae.metrics.dead).toFixed(1)} % dead`),
    ],
  })
  panel.append(
    element('text', { x: (left + WIDTH - RIGHT) / 2, y: height - 6 }, [
      'density: share of tokens on which a latent fires, log scale',
    ]),
  )
  const left_out = all.length - saes.length
  const title = 'How often latents fire'
  return {
    name: 'density',
    title,
    svg: renderFrame({
      name: 'density',
      title,
      subtitle: [
        common,
        `Height: share of latents; dead: fired on no token. ${measuredOn(saes)}${
          left_out === 0
            ? ''
            : ` One dictionary a site is shown; ${count(left_out)} others are not.`
        }`,
      ],
      desc: `Histograms of the densities of the latents of ${rows.length} dictionaries on a logarithmic scale.`,
      panels: [{ panel, x: 0, y: 0 }],
      height,
    }),
  }
}
