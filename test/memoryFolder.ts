/** Folders in memory, for tests that break a file on purpose. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Folder, openBytes } from '../src/formats/index.ts'

/** A folder of the files given; text as UTF-8. */
export function memoryFolder(name: string, files: Record<string, Uint8Array | string>): Folder {
  return {
    name,
    async open(path) {
      const content = files[path]
      if (content === undefined) return undefined
      const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
      return openBytes(`${name}/${path}`, bytes)
    },
  }
}

/** The files of a folder on disk, by name, to change and hand to memoryFolder. */
export function readFolder(path: string): Record<string, Uint8Array | string> {
  return Object.fromEntries(readdirSync(path).map((file) => [file, readFileSync(join(path, file))]))
}
