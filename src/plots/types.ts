/** What plots are drawn from, and what they are. */

import type { HookName } from '../model/index.ts'
import type { Metrics } from '../sae/index.ts'

/** One measured SAE. */
export type PlottedSae = {
  /** The suite it belongs to, where several are compared. */
  readonly suite?: string
  /** The site it reads. */
  readonly hook: HookName
  readonly d_sae: number
  readonly l0_target: number
  /** How it was trained: `jumprelu`, `topk`, `gated` and so on. */
  readonly architecture: string
  readonly metrics: Metrics
}

/** A plot as an SVG document that reads on light and on dark. */
export type SuitePlot = {
  /** Its file's base name. */
  readonly name: PlotName
  readonly title: string
  readonly svg: string
}

export const PLOT_NAMES = ['frontier', 'layers', 'density', 'position'] as const
export type PlotName = (typeof PLOT_NAMES)[number]
