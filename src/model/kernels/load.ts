/** The compiled kernels over a shared memory. Addresses are bytes; assembly/layout.ts says how matrices lie. */

import { readKernels } from './disk.ts'

type Pack = (matrix: number, first: number, x: number, n: number, d: number, rows: number) => void
type Widen = (
  matrix: number,
  first: number,
  out: number,
  n: number,
  d: number,
  rows: number,
) => void
type Product = (
  matrix: number,
  first: number,
  n: number,
  x: number,
  m: number,
  d: number,
  y: number,
  stride: number,
) => void

/** `rows` and `stride` count the matrix's rows, padded to a multiple of 16; `d` its columns, padded to one of 32. */
export type Kernels = {
  quantiseInput(x: number, out: number, n_blocks: number): void
  scaleInput(x: number, out: number, n: number): void
  pack_q8: Pack
  pack_q4: Pack
  pack_bf16: Pack
  pack_f16: Pack
  pack_f32: Pack
  product_q8: Product
  product_q4: Product
  product_bf16: Product
  product_f16: Product
  product_f32: Product
  widen_q8: Widen
  widen_q4: Widen
  widen_bf16: Widen
  widen_f16: Widen
  widen_f32: Widen
  attend(
    q: number,
    k: number,
    v: number,
    z: number,
    scores: number,
    group: number,
    n: number,
    d: number,
    scale: number,
    softcap: number,
  ): void
  activate(act: number, x: number, up: number, n: number): void
  softcap(x: number, n: number, c: number): void
}

/** `relaxed`: fused multiply-add and the 8-bit dot product; `plain`: neither. Integer sums are the same, floats differ in the last bits. */
export type KernelVariant = 'relaxed' | 'plain'

/** The variant this engine runs, compiled. */
export function compileKernels(variant?: KernelVariant): WebAssembly.Module {
  const relaxed = readKernels('kernels.relaxed.wasm')
  const runs = variant ?? (WebAssembly.validate(relaxed) ? 'relaxed' : 'plain')
  return new WebAssembly.Module(runs === 'relaxed' ? relaxed : readKernels('kernels.wasm'))
}

export function openKernels(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as Kernels
}
