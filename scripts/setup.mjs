/**
 * Brings a fresh clone to the point where everything runs: dependencies, WebAssembly kernels, the built page.
 * Does only what is missing or out of date. Plain JavaScript without dependencies, because it runs before
 * any are there, on whatever Node the machine has; the rest of the project runs on the Node that package.json pins.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Newest modification time under a path, in ms; 0 where there is nothing. */
function newest(path) {
  if (!existsSync(path)) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))))
}

function step(title, args) {
  console.error(`hooke: ${title} (npm ${args.join(' ')})`)
  const started = Date.now()
  const { status, error } = spawnSync('npm', args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  })
  if (error) throw error
  if (status !== 0) {
    console.error(
      `hooke: ${title} failed; the lines above say why. Mend it and run the same command again.`,
    )
    process.exit(1)
  }
  console.error(`hooke: ${title} took ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

const lock = join(root, 'package-lock.json')
if (newest(join(root, 'node_modules/.package-lock.json')) < newest(lock))
  step('installing dependencies', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
step('building the kernels', ['run', '-s', 'build:kernels'])
const page = ['web/src', 'web/index.html', 'web/vite.config.ts', 'package-lock.json']
if (newest(join(root, 'web/dist')) < Math.max(...page.map((path) => newest(join(root, path)))))
  step('building the page', ['run', '-s', 'build:web'])
