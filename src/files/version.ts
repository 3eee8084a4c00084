/** The version of this package, for what it writes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from './models.ts'

let version: string | undefined

/** As in package.json. */
export function packageVersion(): string {
  version ??= (
    JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }
  ).version
  return version
}
