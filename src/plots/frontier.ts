/** Sparsity against fidelity: the plot by which dictionaries are compared. */

import { renderFrame, WIDTH } from './frame.ts'
import { drawLines, type Line } from './panel.ts'
import { seriesOf } from './series.ts'
import type { PlottedSae, SuitePlot } from './types.ts'
import { measuredOn, percent } from './words.ts'

const HEIGHT = 290

/** FVU and delta loss over L0, a line for every site, width, architecture and suite. Further left and further down is better. */
export function frontierPlot(saes: readonly PlottedSae[]): SuitePlot {
  const { series, keys, common } = seriesOf(saes, 'l0')
  const lines = (of: (sae: PlottedSae) => number | undefined): Line[] =>
    series.map(({ saes, ...line }) => ({
      ...line,
      points: saes.map((sae) => ({ x: sae.metrics.l0, y: of(sae) })).sort((a, b) => a.x - b.x),
    }))
  const x = { label: 'L0: active latents a token', log: true }
  const size = { width: WIDTH / 2, height: HEIGHT }
  const fvu = drawLines({
    ...size,
    lines: lines(({ metrics }) => metrics.fvu),
    x,
    y: { label: 'FVU: variance unexplained', format: percent },
  })
  const delta = drawLines({
    ...size,
    lines: lines(({ metrics }) => metrics.delta_ce_loss),
    x,
    y: { label: 'delta loss, nats a token' },
  })
  const title = 'Sparsity and fidelity'
  return {
    name: 'frontier',
    title,
    svg: renderFrame({
      name: 'frontier',
      title,
      subtitle: [common, `Lower and further left is better. ${measuredOn(saes)}`],
      desc: `Unexplained variance and added loss over the number of active latents, for ${saes.length} dictionaries.`,
      keys,
      panels: [
        { panel: fvu, x: 0, y: 0 },
        { panel: delta, x: WIDTH / 2, y: 0 },
      ],
      height: HEIGHT,
    }),
  }
}
