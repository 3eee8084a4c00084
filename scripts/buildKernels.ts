/**
 * Compiles the assembly/ folders to WebAssembly, each twice: `kernels.relaxed.wasm` with fused multiply-add and the 8-bit dot
 * product (relaxed SIMD) and `kernels.wasm` without. Does nothing where both are newer than every source. Runs on any Node that
 * strips types.
 */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const KERNELS = [
  { folder: 'src/train/kernels/', flags: [] },
  {
    folder: 'src/model/kernels/',
    flags: ['--enable', 'threads', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
  },
] // biome-ignore format: one line a flag hides what differs

const BUILDS = [
  { file: 'kernels.wasm', flags: [] },
  { file: 'kernels.relaxed.wasm', flags: ['--enable', 'relaxed-simd'] },
]

for (const kernels of KERNELS) {
  const sources = `${root}${kernels.folder}assembly/`
  const newest = Math.max(
    statSync(fileURLToPath(import.meta.url)).mtimeMs,
    ...readdirSync(sources).map((file) => statSync(sources + file).mtimeMs),
  )
  for (const { file, flags } of BUILDS) {
    const path = root + kernels.folder + file
    if (existsSync(path) && statSync(path).mtimeMs >= newest) continue
    const { default: asc } = await import('assemblyscript/asc')
    const { error, stderr } = await asc.main([
      `${sources}index.ts`,
      ...['--outFile', path],
      ...['-Ospeed', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'],
      ...flags,
      ...kernels.flags,
    ])
    if (error) {
      process.stderr.write(`buildKernels: ${kernels.folder}${file} did not compile\n${stderr}\n`)
      process.exit(1)
    }
    process.stdout.write(`built ${kernels.folder}${file}\n`)
  }
}
