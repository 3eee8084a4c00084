/**
 * Speed of the kernels for few tokens, in bytes of weights read per second, beside a plain loop that only reads.
 *
 *     node bench/modelKernels.ts [dtype ...]
 *
 * Shapes of Gemma 2 2B. Of every shape there are so many matrices that they fill 0.6 GiB, taken in turn, so that none is found in
 * cache. Figures are the best of some rounds: others may use the machine.
 */

import { availableParallelism, loadavg } from 'node:os'
import { Worker } from 'node:worker_threads'
import asc from 'assemblyscript/asc'
import {
  openTeam,
  type PackedMatrix,
  type Team,
  type WeightDtype,
} from '../src/model/kernels/index.ts'

const SHAPES = [
  [9216, 2304],
  [2304, 9216],
  [256_000, 2304],
] as const
const TOTAL_BYTES = 0.6 * 2 ** 30
const ROUNDS = 40
const ALL: readonly WeightDtype[] = ['q8', 'q4', 'bf16', 'f16', 'f32']
const dtypes = process.argv.length > 2 ? ALL.filter((d) => process.argv.includes(d)) : ALL

const threads = [1, ...(availableParallelism() > 1 ? [2] : [])]
console.log(`load ${loadavg()[0]!.toFixed(1)}; GB/s with ${threads.join(' and ')} threads`)
const limits = []
for (const n of threads) limits.push(await readSpeed(n))
console.log(`reading only          ${limits.map(gb).join('  ')}`)
for (const dtype of dtypes) {
  for (const [d_out, d_in] of SHAPES) {
    const counts = d_out > 100_000 ? [1] : [1, 2, 4, 8]
    const speeds: number[][] = []
    for (const n of threads) speeds.push(await productSpeeds(n, dtype, d_out, d_in, counts))
    for (const [i, m] of counts.entries()) {
      const shape = `${d_out} x ${d_in}`.padEnd(14)
      console.log(`${dtype.padEnd(5)}${shape} m ${m}  ${speeds.map((of) => gb(of[i]!)).join('  ')}`)
    }
  }
}

function gb(bytes_per_ms: number): string {
  return (bytes_per_ms / 1e6).toFixed(1).padStart(5)
}

/** Bytes per ms of products with so many rows of x. */
async function productSpeeds(
  threads: number,
  dtype: WeightDtype,
  d_out: number,
  d_in: number,
  counts: readonly number[],
): Promise<number[]> {
  const team = await openTeam({ threads, memory_bytes: 5 * 2 ** 30 })
  const matrices = openMatrices(team, dtype, d_out, d_in)
  const speeds = counts.map((m) => {
    const x = Float32Array.from({ length: m * d_in }, (_, i) => Math.sin(i))
    const y = new Float32Array(m * d_out)
    let best = 0
    let turn = 0
    for (let round = 0; round < ROUNDS; round++) {
      const weight = matrices[turn++ % matrices.length]!
      const started = performance.now()
      team.product(weight, x, m, y)
      best = Math.max(best, (weight.y - weight.address) / (performance.now() - started))
    }
    return best
  })
  await team.close()
  return speeds
}

function openMatrices(
  team: Team,
  dtype: WeightDtype,
  d_out: number,
  d_in: number,
): readonly PackedMatrix[] {
  const rows = Float32Array.from({ length: 64 * d_in }, (_, i) => Math.cos(i * i) / 50)
  const matrices: PackedMatrix[] = []
  for (let bytes = 0; bytes < TOTAL_BYTES; bytes += matrices[0]!.extent.bytes) {
    const weight = team.openMatrix(dtype, d_out, d_in)
    for (let row = 0; row < d_out; row += 64) team.pack(weight, row, rows)
    matrices.push(weight)
  }
  return matrices
}

/** Bytes per ms of a loop of 16-byte loads, on threads of their own with a part of the memory each. */
async function readSpeed(threads: number): Promise<number> {
  const source = `
    export function read(p: usize, bytes: usize): i32 {
      let a = i32x4.splat(0), b = a, c = a, d = a;
      for (let end = p + bytes; p < end; p += 64) {
        a = v128.xor(a, v128.load(p)); b = v128.xor(b, v128.load(p, 16));
        c = v128.xor(c, v128.load(p, 32)); d = v128.xor(d, v128.load(p, 48));
      }
      return i32x4.extract_lane(v128.or(v128.or(a, b), v128.or(c, d)), 0);
    }`
  let wasm = new Uint8Array()
  await asc.main(
    [
      'read.ts',
      '-o',
      'read.wasm',
      '-Ospeed',
      '--importMemory',
      '--runtime',
      'stub',
      '--noAssert',
    ].concat([
      '--enable',
      'simd',
      '--enable',
      'threads',
      '--sharedMemory',
      '--initialMemory',
      '1',
      '--maximumMemory',
      '65536',
    ]),
    {
      readFile: (name) => (name === 'read.ts' ? source : null),
      writeFile: (_, contents) => {
        wasm = contents as Uint8Array<ArrayBuffer>
      },
      listFiles: () => [],
    },
  )
  const bytes = Math.floor(TOTAL_BYTES / threads / 64) * 64
  const memory = new WebAssembly.Memory({ initial: 16_384, maximum: 65_536, shared: true })
  new Uint8Array(memory.buffer).fill(1)
  const words = new Int32Array(new SharedArrayBuffer(256))
  const code = `
    const { workerData: { wasm, memory, words, at, bytes } } = require('node:worker_threads')
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: { memory } })
    for (let round = 0; ; ) {
      Atomics.wait(words, 0, round)
      round = Atomics.load(words, 0)
      if (round < 0) break
      exports.read(at, bytes)
      Atomics.add(words, 32, 1)
    }`
  const workers = Array.from(
    { length: threads },
    (_, i) =>
      new Worker(code, {
        eval: true,
        workerData: { wasm, memory, words, at: 65_536 + i * bytes, bytes },
      }),
  )
  let best = 0
  for (let round = 1; round <= ROUNDS; round++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    Atomics.store(words, 32, 0)
    const started = performance.now()
    Atomics.store(words, 0, round)
    Atomics.notify(words, 0)
    while (Atomics.load(words, 32) < threads) Atomics.wait(words, 40, 0, 0.2)
    best = Math.max(best, (bytes * threads) / (performance.now() - started))
  }
  Atomics.store(words, 0, -1)
  Atomics.notify(words, 0)
  await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))
  return best
}
