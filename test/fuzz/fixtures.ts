/** Files of the project as seeds. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Bytes } from './bytes.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** A file, from the project's root. */
export function fixture(path: string): Bytes {
  return new Uint8Array(readFileSync(join(ROOT, path)))
}

/** Paths of all files at any depth below a folder, sorted; from the project's root. None where there is no folder. */
export function fixturesBelow(folder: string): string[] {
  const at = join(ROOT, folder)
  if (!existsSync(at)) return []
  return readdirSync(at, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ROOT.length + 1))
    .sort()
}

/** A file of JSON, from the project's root. */
export function jsonFixture(path: string): unknown {
  return JSON.parse(new TextDecoder().decode(fixture(path)))
}
