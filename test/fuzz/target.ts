/** What is fuzzed: a reader, inputs it accepts, and how to make others of them. */

import type { Bytes } from './bytes.ts'
import type { Random } from './random.ts'

/** An input: the bytes of one file or of a few that are read together, by name. */
export type Files = Readonly<Record<string, Bytes>>

export type Target = {
  readonly name: string
  /** Inputs that the reader accepts. */
  seeds(): Promise<readonly Files[]>
  /** An input of its own for every state of `random`; the seeds stay as they are. */
  mutate(random: Random, seeds: readonly Files[]): Files
  /** Reads the input to the end, as the program would. */
  read(files: Files): Promise<void>
  /** Errors besides FormatError that the reader documents; they too must name a file. */
  readonly also?: readonly ('RangeError' | 'TypeError')[]
  /** Set where `undefined` is a word of the format's own, as in Jinja. */
  readonly says_undefined?: boolean
  /** What reading may allocate in typed arrays, for each byte of input. */
  readonly bytes_per_byte: number
  /** Source files that this target should reach, below src/. */
  readonly sources: readonly string[]
}
