/**
 * Compiles src/train/kernels/assembly to WebAssembly, twice: `kernels.relaxed.wasm` with fused multiply-add (relaxed SIMD)
 * and `kernels.wasm` without. Does nothing where both are newer than every source. Runs on any Node that strips types.
 */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const kernels = fileURLToPath(new URL('../src/train/kernels/', import.meta.url))
const sources = `${kernels}assembly/`

const BUILDS = [
  { file: 'kernels.wasm', flags: [] },
  { file: 'kernels.relaxed.wasm', flags: ['--enable', 'relaxed-simd'] },
]

const newest = Math.max(
  statSync(fileURLToPath(import.meta.url)).mtimeMs,
  ...readdirSync(sources).map((file) => statSync(sources + file).mtimeMs),
)
const isStale = (path: string) => !existsSync(path) || statSync(path).mtimeMs < newest
const stale = BUILDS.filter(({ file }) => isStale(kernels + file))

if (stale.length > 0) {
  const { default: asc } = await import('assemblyscript/asc')
  mkdirSync(kernels, { recursive: true })
  for (const { file, flags } of stale) {
    const { error, stderr } = await asc.main([
      `${sources}index.ts`,
      ...['--outFile', kernels + file],
      ...['-Ospeed', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'],
      ...flags,
    ])
    if (error) {
      process.stderr.write(`buildKernels: ${file} did not compile\n${stderr.toString()}\n`)
      process.exit(1)
    }
    process.stdout.write(`built src/train/kernels/${file}\n`)
  }
}
