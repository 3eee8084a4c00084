/** What the thread that reads inputs and the one that watches it say to each other. */

import type { Reach } from './reach.ts'

/** What the thread is to do: inputs `first` .. `end - 1` of a target. */
export type Work = {
  /** Of a module that exports TARGETS. */
  readonly targets_url: string
  readonly target: string
  readonly seed: number
  readonly first: number
  readonly end: number
  readonly reach: boolean
  /** One 32-bit word: the index of the input being read. */
  readonly at: SharedArrayBuffer
}

/** An input that was neither read nor clearly refused in good time. */
export type Finding = { readonly index: number; readonly fault: string }

/** What happened since the last report. */
export type Report = {
  readonly kinds: readonly (readonly [string, number])[]
  readonly findings: readonly Finding[]
  /** CPU time of the longest single input, in ms, and which. */
  readonly slowest: readonly [number, number]
  /** Most bytes that typed arrays took for a single input, and which. */
  readonly largest: readonly [number, number]
  readonly done: boolean
  readonly reach?: readonly Reach[]
}

/** An input's random source depends on these three alone. */
export function inputKey(target: string, seed: number, index: number): string {
  return `${target} ${seed} ${index}`
}
