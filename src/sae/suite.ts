/** How SAEs lie in a suite's folder, and how widths are named. */

import type { HookName } from '../model/index.ts'

/** One trained SAE of a suite, as its folder tells. */
export type SaeEntry = {
  readonly hook: HookName
  readonly d_in: number
  readonly d_sae: number
  /** The L0 it was trained for, as in its folder's name. */
  readonly l0: number
  /** Its folder. */
  readonly path: string
}

/** What made a suite: suite.json. */
export type SuiteManifest = {
  readonly name: string
  readonly model: { readonly name: string; readonly path: string; readonly hash: string }
  /** Hash (hex) of the text or activations it was trained on. */
  readonly data_hash: string
  /** The settings of the training, as given. */
  readonly config: Readonly<Record<string, unknown>>
  /** Version of Hooke. */
  readonly version: string
  /** ISO 8601, UTC. */
  readonly created: string
}

/**
 * How a width is written in names, as Gemma Scope does: `1024` is `1k`, `16384` `16k`, `131072` `131k`, `1048576` `1m`;
 * a width that is no multiple of 1024 is written as the number. Different widths have different names.
 */
export function widthName(d_sae: number): string {
  if (d_sae % 2 ** 20 === 0) return `${Math.floor(d_sae / 1e6)}m`
  return d_sae % 2 ** 10 === 0 ? `${Math.floor(d_sae / 1e3)}k` : String(d_sae)
}

/** The folder of one SAE: `<suite>/<hook>/width_2k/l0_32`. */
export function saeFolder(suite: string, hook: HookName, d_sae: number, l0: number): string {
  return `${suite}/${hook}/width_${widthName(d_sae)}/l0_${l0}`
}
