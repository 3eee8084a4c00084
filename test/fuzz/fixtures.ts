/** Files of the project as seeds. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Bytes } from './bytes.ts'

/** A file, from the project's root. */
export function fixture(path: string): Bytes {
  return new Uint8Array(readFileSync(resolve(import.meta.dirname, '../..', path)))
}
