/** Interventions at hook sites, and steered generation. */

export {
  type Intervention,
  type InterventionMode,
  interventionEdits,
  latentValue,
} from './interventions.ts'
export { type SteerEvent, type SteerOptions, type SteerSide, steer } from './steer.ts'
