/**
 * Plots of measured suites as SVG documents: pure functions of metrics, drawn by Observable Plot in a document of linkedom.
 * Readable at 640 pixels, on light and on dark, and by people with colour-blindness.
 */

import { densityPlot } from './density.ts'
import { frontierPlot } from './frontier.ts'
import { layersPlot } from './layers.ts'
import { positionPlot } from './position.ts'
import type { PlottedSae, SuitePlot } from './types.ts'

export { PLOT_NAMES, type PlotName, type PlottedSae, type SuitePlot } from './types.ts'

/**
 * All plots of some measured SAEs, of one suite or several. A plot is missing where its numbers are: `layers` where fewer
 * than two have an SAE, `position` where none was measured by position; all are where there is no SAE.
 */
export function suitePlots(saes: readonly PlottedSae[]): SuitePlot[] {
  if (saes.length === 0) return []
  const plots = [frontierPlot(saes), layersPlot(saes), densityPlot(saes), positionPlot(saes)]
  return plots.filter((plot) => plot !== undefined)
}
