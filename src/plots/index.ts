/**
 * Plots of measured suites as SVG documents: pure functions of metrics, drawn by Observable Plot in a document of linkedom.
 * Readable at 640 pixels, on light and on dark, and by people with colour-blindness.
 */

import { densityPlot } from './density.ts'
import { frontierPlot } from './frontier.ts'
import { layersPlot } from './layers.ts'
import { positionPlot } from './position.ts'
import { PLOT_NAMES, type PlotName, type PlottedSae, type SuitePlot } from './types.ts'

export { PLOT_NAMES, type PlotName, type PlottedSae, type SuitePlot } from './types.ts'

const PLOTS: Readonly<Record<PlotName, (saes: readonly PlottedSae[]) => SuitePlot | undefined>> = {
  frontier: frontierPlot,
  layers: layersPlot,
  density: densityPlot,
  position: positionPlot,
}

/**
 * One plot of some measured SAEs, of one suite or several; undefined where its numbers are missing: `layers` where fewer than two
 * have an SAE, `position` where none was measured by position, all where there is no SAE.
 */
export const suitePlot = (name: PlotName, saes: readonly PlottedSae[]): SuitePlot | undefined =>
  saes.length === 0 ? undefined : PLOTS[name](saes)

/** All plots that there are of some measured SAEs. */
export const suitePlots = (saes: readonly PlottedSae[]): SuitePlot[] =>
  PLOT_NAMES.flatMap((name) => suitePlot(name, saes) ?? [])
