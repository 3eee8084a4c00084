/** Fidelity by position in the document. */

import * as Plot from '@observablehq/plot'
import type { PositionBin } from '../sae/index.ts'
import { renderFrame, WIDTH } from './frame.ts'
import { drawLines, drawPlot, type Line, padded } from './panel.ts'
import { oneASite, seriesOf } from './series.ts'
import { element } from './svg.ts'
import type { PlottedSae, SuitePlot } from './types.ts'
import { count, percent } from './words.ts'

const HEIGHT = 270
const STRIP = 96
const MOST_LINES = 12

/** FVU and delta loss over the position in the document, and how many tokens each bin holds; undefined where none was measured so. */
export function positionPlot(all: readonly PlottedSae[]): SuitePlot | undefined {
  const measured = all.filter(({ metrics }) => (metrics.by_position?.length ?? 0) > 0)
  if (measured.length === 0) return undefined
  const saes = oneASite(measured, MOST_LINES)
  const { series, keys, common } = seriesOf(saes, 'l0')
  const lines = (of: (bin: PositionBin) => number | undefined): Line[] =>
    series.flatMap(({ saes, ...line }) =>
      saes.map(({ metrics }) => ({
        ...line,
        points: metrics.by_position!.map((bin) => ({ x: middle(bin), y: of(bin) })),
      })),
    )
  const longest = saes.reduce((most, sae) =>
    sae.metrics.by_position!.length > most.metrics.by_position!.length ? sae : most,
  )
  const bins = longest.metrics.by_position!.filter(({ start }) => start > 0)
  const domain = padded(bins.map(middle), true)
  const ticks = bins.map(({ start }) => start).filter((start) => Math.log2(start) % 1 === 0)
  const x = { label: 'position in the document', log: true, domain, ticks }
  const size = { width: WIDTH / 2, height: HEIGHT, x }
  const fvu = drawLines({
    ...size,
    lines: lines(({ fvu }) => fvu),
    y: { label: 'FVU: variance unexplained', format: percent },
  })
  const delta = drawLines({
    ...size,
    lines: lines(({ delta_ce_loss }) => delta_ce_loss),
    y: { label: 'delta loss, nats a token' },
  })
  const tokens = drawPlot({
    width: WIDTH,
    height: STRIP,
    marginTop: 26,
    marginLeft: 54,
    marginRight: 14,
    marginBottom: 22,
    x: {
      type: 'band',
      label: null,
      domain: bins.map(({ start }) => start),
      tickSize: 0,
      padding: 0.12,
    },
    y: { label: null, ticks: 2, tickFormat: 's' },
    marks: [Plot.barY(bins, { x: 'start', y: 'n_tokens', fill: 'currentColor', fillOpacity: 0.3 })],
  })
  tokens.append(
    element('text', { x: 16, y: 14, 'text-anchor': 'start', 'font-weight': 600 }, [
      'tokens in each bin, by its first position',
    ]),
  )
  const fewest = bins.reduce((least, bin) => (bin.n_tokens < least.n_tokens ? bin : least))
  const left_out = measured.length - saes.length
  const title = 'Fidelity by position'
  return {
    name: 'position',
    title,
    svg: renderFrame({
      name: 'position',
      title,
      subtitle: [
        common,
        `Two bins an octave; the smallest, ${span(fewest)}, holds ${count(fewest.n_tokens)} tokens.${
          left_out === 0
            ? ''
            : ` One dictionary a site is shown; ${count(left_out)} others are not.`
        }`,
      ],
      desc: `Unexplained variance and added loss of ${saes.length} dictionaries by how far from the start of the document a token stands.`,
      keys,
      panels: [
        { panel: fvu, x: 0, y: 0 },
        { panel: delta, x: WIDTH / 2, y: 0 },
        { panel: tokens, x: 0, y: HEIGHT },
      ],
      height: HEIGHT + STRIP,
    }),
  }
}

/** Where a bin stands on a logarithmic axis. */
const middle = ({ start, end }: PositionBin): number => Math.sqrt(start * (end - 1))

/** `8–11` */
const span = ({ start, end }: PositionBin): string =>
  end - start === 1 ? String(start) : `${start}–${end - 1}`
