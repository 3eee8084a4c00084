/** Interventions at hook sites, steered generation, and what a strength does to the text. */

export {
  BAND_RULE,
  type Band,
  type Measure,
  renderBandRule,
  repetition,
  type Verdict,
} from './band.ts'
export {
  type Intervention,
  type InterventionMode,
  type InterventionPositions,
  interventionEdits,
  latentValue,
  type PromptLayout,
  promptLayout,
} from './interventions.ts'
export type { SteerPrompt, SteerSide, SteerTurn } from './prompt.ts'
export { type SteerEvent, type SteerOptions, steer } from './steer.ts'
export { atStrength, leadOf, SWEEP_STRENGTHS } from './strengths.ts'
export { type SweepEvent, type SweepOptions, type SweepPoint, sweep } from './sweep.ts'
