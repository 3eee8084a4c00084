/** Builds what the published package runs: JavaScript and types in dist/, the compiled kernels beside them. */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')
rmSync(join(root, 'dist'), { recursive: true, force: true })
execFileSync('tsc', ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
for (const path of globSync('src/**/*.wasm', { cwd: root }))
  cpSync(join(root, path), join(root, 'dist', relative('src', path)))
