/**
 * Which models a request may name. To open one is to read files of this machine, and an error tells what lies there, so beyond
 * loopback it is for the server's owner to say which. On loopback whoever asks has an account here and the server was
 * started for the page: any folder may be named there, unless its owner says which.
 */
import { bundledModels } from '../files/index.ts'
import { lastingModelName } from '../hub/index.ts'
import { HttpProblem } from './problems.ts'

/** Bundled names, folders and Hub ids; `any` where every model on this machine may be opened. */
export type AllowedModels = 'any' | readonly string[]

/**
 * Refuses a model that is neither bundled, nor one of the suites', nor named by the owner. A folder is allowed by its own
 * path, not by one above it.
 * @throws HttpProblem 403, with those that are allowed.
 */
export function requireAllowed(
  name: string,
  allowed: AllowedModels,
  of_suites: readonly string[],
): void {
  if (allowed === 'any') return
  const known = new Set([...bundledModels(), ...of_suites, ...allowed].map(lastingModelName))
  if (known.has(lastingModelName(name))) return
  throw new HttpProblem(
    403,
    `this server does not open ${JSON.stringify(name)} when asked, only ${[...known].join(', ')}. Whoever runs it can allow more: hooke serve --allow-model NAME_OR_FOLDER.`,
  )
}
