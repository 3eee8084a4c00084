/** From the name a person types to the folder of a model. */

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
 * The absolute path of a model's folder: a bundled name first, a path otherwise (`./thimble-5m` is always a path).
 * @throws FileError if it is neither, naming the bundled models and what a model folder holds.
 */
export function resolveModel(nameOrPath: string): string {
  if (bundledModels().includes(nameOrPath)) return join(packageRoot(), 'models', nameOrPath)
  const path = resolve(nameOrPath)
  if (existsSync(path) && statSync(path).isDirectory()) return path
  const found = existsSync(path) ? `${path} is a file` : `there is no folder ${path}`
  throw new FileError(
    path,
    'ENOENT',
    `"${nameOrPath}" is not a bundled model (${bundledModels().join(', ')}), and ${found}. ` +
      'Give a bundled name, or a folder with config.json, *.safetensors and tokenizer.json as on Hugging Face.',
  )
}

/** What a model is remembered by: a bundled name as it is, a path as an absolute one, so that it opens from any working directory. */
export function lastingModelName(nameOrPath: string): string {
  return bundledModels().includes(nameOrPath) ? nameOrPath : resolve(nameOrPath)
}
