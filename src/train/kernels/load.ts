/** Opens the compiled kernels: with fused multiply-add where this machine's engine has it. */
import { readFileSync } from 'node:fs'

/** Addresses are bytes into the memory given to `openKernels`; `shard` is the address of a shard's block. */
export type Kernels = {
  scan(shard: number, pre: number, first: number, m: number, nnz: number): number
  scanTop(shard: number, pre: number, first: number, m: number, nnz: number, k: number): number
  scanDead(shard: number, pre: number, first: number, m: number, nnz: number, k: number): number
  roundInputs(shard: number): void
  roundLatents(shard: number): void
  propose(shard: number, sums: number, first: number, m: number, nnz: number): number
  decide(shard: number, first: number, m: number): number
  filter(shard: number, least: number): void
  magnitudes(shard: number): void
  decode(shard: number, out: number): void
  decodeAux(shard: number, out: number): void
  transpose(shard: number): void
  gradients(shard: number, latent: number): number
  update(shard: number): void
  adamArray(shard: number, w: number, v: number, g: number, m: number): void
  centre(x: number, c: number, b: number, n: number, d: number): void
  accumulate(y: number, c: number, x: number, m: number): void
  moments(x: number, mean: number, n: number, d: number): number
}

/** `relaxed`: fused multiply-add; `plain`: rounded twice. Results differ in the last bits, so a run names its variant. */
export type KernelVariant = 'relaxed' | 'plain'

const FILES = { relaxed: 'kernels.relaxed.wasm', plain: 'kernels.wasm' } as const
const modules = new Map<KernelVariant, WebAssembly.Module>()

/** The variant this engine runs. */
export function kernelVariant(): KernelVariant {
  return WebAssembly.validate(readKernels('relaxed')) ? 'relaxed' : 'plain'
}

/**
 * The kernels over a memory.
 * @throws Error if they have not been compiled, saying how.
 */
export function openKernels(memory: WebAssembly.Memory, variant: KernelVariant): Kernels {
  const module = modules.get(variant) ?? new WebAssembly.Module(readKernels(variant))
  modules.set(variant, module)
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels
}

function readKernels(variant: KernelVariant): Uint8Array<ArrayBuffer> {
  const path = new URL(FILES[variant], import.meta.url)
  try {
    return new Uint8Array(readFileSync(path))
  } catch (cause) {
    throw new Error(
      `train: the compiled kernels are missing (${path.pathname}); run: npm run build:kernels`,
      { cause },
    )
  }
}
