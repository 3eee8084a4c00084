/** Fidelity from the first layer to the last. */

import { renderFrame, WIDTH } from './frame.ts'
import { drawLines, type Line } from './panel.ts'
import { layerOf, seriesOf } from './series.ts'
import type { PlottedSae, SuitePlot } from './types.ts'
import { measuredOn, percent } from './words.ts'

const HEIGHT = 270

/** FVU and delta loss over layers, a line for every kind of site, width, target, architecture and suite; undefined where fewer than two layers have one. */
export function layersPlot(all: readonly PlottedSae[]): SuitePlot | undefined {
  const saes = all.filter(({ hook }) => layerOf(hook) !== undefined)
  const layers = saes.map(({ hook }) => layerOf(hook)!)
  if (new Set(layers).size < 2) return undefined
  const { series, keys, common } = seriesOf(saes, 'layer')
  const lines = (of: (sae: PlottedSae) => number | undefined): Line[] =>
    series.map(({ saes, ...line }) => ({
      ...line,
      points: saes.map((sae) => ({ x: layerOf(sae.hook)!, y: of(sae) })).sort((a, b) => a.x - b.x),
    }))
  const x = {
    label: 'layer',
    ticks: wholeTicks(Math.min(...layers), Math.max(...layers)),
    format: String,
  }
  const size = { width: WIDTH / 2, height: HEIGHT, x }
  const fvu = drawLines({
    ...size,
    lines: lines(({ metrics }) => metrics.fvu),
    y: { label: 'FVU: variance unexplained', format: percent },
  })
  const delta = drawLines({
    ...size,
    lines: lines(({ metrics }) => metrics.delta_ce_loss),
    y: { label: 'delta loss, nats a token' },
  })
  const title = 'Fidelity by layer'
  return {
    name: 'layers',
    title,
    svg: renderFrame({
      name: 'layers',
      title,
      subtitle: [common, `${measuredOn(saes)}`],
      desc: `Unexplained variance and added loss of ${saes.length} dictionaries, layer by layer.`,
      keys,
      panels: [
        { panel: fvu, x: 0, y: 0 },
        { panel: delta, x: WIDTH / 2, y: 0 },
      ],
      height: HEIGHT,
    }),
  }
}

/** At most fourteen whole numbers of a range. */
function wholeTicks(first: number, last: number): number[] {
  const step = Math.ceil((last - first + 1) / 14)
  return Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => first + i * step)
}
