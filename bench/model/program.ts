/** Hooke as npm installs it: run from its sources, the process would hold the compiler that strips their types as well. */
import { execFileSync } from 'node:child_process'
import { cpSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const HERE = import.meta.dirname
const ROOT = join(HERE, '../..')
const OUT = join(HERE, 'dist')

/** Compiles the contestant and what it imports. @returns its program, from this folder. */
export function compileHooke(): string {
  rmSync(OUT, { recursive: true, force: true })
  execFileSync('tsc', ['-p', HERE], { stdio: 'inherit' })
  for (const path of globSync('src/model/**/*.wasm', { cwd: ROOT }))
    cpSync(join(ROOT, path), join(OUT, path))
  return 'dist/bench/model/hooke.js'
}
