/** Models on this machine: those that ship with the package, and folders. Names of the Hub are resolved in hub/. */

import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FileError } from './errors.ts'

/** The folder that holds this package's package.json, from sources and from a build alike. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder)
    if (parent === folder)
      throw new Error('The hooke package has lost its package.json; install it again.')
    folder = parent
  }
  return folder
}

/** Names of the models that ship with the package. */
export function bundledModels(): string[] {
  const folder = join(packageRoot(), 'models')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => existsSync(join(folder, name, 'config.json')))
    .sort()
}

/**
 * The absolute path of a model's folder on this machine: a bundled name first, a path otherwise (`./thimble-5m` is always a
 * path); `undefined` where there is neither.
 * @throws FileError if it is a file.
 */
export function localModel(nameOrPath: string): string | undefined {
  if (bundledModels().includes(nameOrPath)) return join(packageRoot(), 'models', nameOrPath)
  const path = resolve(nameOrPath)
  if (!existsSync(path)) return undefined
  if (statSync(path).isDirectory()) return path
  throw new FileError(
    path,
    'ENOTDIR',
    `${path} is a file, expected a model's folder with config.json, *.safetensors and tokenizer.json as on Hugging Face.`,
  )
}
