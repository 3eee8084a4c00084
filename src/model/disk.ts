/** The door to the file system: a bundled name or a path becomes a folder of byte sources. Node only. */

import { openFolder, resolveModel } from '../files/index.ts'
import type { Folder } from '../formats/index.ts'

/** @throws FileError if it is neither a bundled model nor a folder. */
export function openModelFolder(nameOrPath: string): Folder {
  return openFolder(resolveModel(nameOrPath))
}
