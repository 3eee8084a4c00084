/**
 * Installs node-llama-cpp when the bench first asks for it, beside the checkpoints and not among the project's packages: nothing
 * but this bench needs it.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const VERSION = '3.22.1'
/** The package of programs without a GPU, by Node's name of the platform. */
const PROGRAMS: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'mac-x64',
  'darwin-arm64': 'mac-arm64-metal',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
}

/** Installs node-llama-cpp under `folder` unless it is there; undefined, with the reason on stderr, where that fails. */
export async function ensureLlama(folder: string): Promise<string | undefined> {
  const installed = join(folder, `node-llama-cpp-${VERSION}`)
  if (existsSync(join(installed, 'node_modules', 'node-llama-cpp'))) return installed
  const programs = PROGRAMS[`${process.platform}-${process.arch}`]
  if (programs === undefined) {
    console.error(`model: node-llama-cpp has no program for ${process.platform}-${process.arch}`)
    return undefined
  }
  await mkdir(installed, { recursive: true })
  await writeFile(join(installed, 'package.json'), '{ "private": true }\n')
  const packages = ['node-llama-cpp', `@node-llama-cpp/${programs}`].map(
    (name) => `${name}@${VERSION}`,
  )
  const flags = [
    '--loglevel=error',
    '--omit=optional',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ]
  const { status } = spawnSync('npm', ['install', ...flags, ...packages], {
    cwd: installed,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status === 0) return installed
  console.error(`model: node-llama-cpp could not be installed in ${installed}; message above`)
  return undefined
}
