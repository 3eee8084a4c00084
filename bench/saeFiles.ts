/**
 * Loading published SAEs at their real size: Gemma Scope's 2,304 x 16,384 whole, and a million latents from the file.
 *
 *     npm run bench -- sae-files [million]
 *
 * Writes a random params.npz into a temporary folder (0.3 GB; 19 GB with `million`), then opens it in a process of its own, so that the
 * peak of resident memory is its own. Every active latent of a few random rows is compared with sums in f64; the bench fails
 * where one differs. The file comes from the page cache unless memory is short.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeFileAtomic } from '../src/files/index.ts'
import { fromFloat32, writeNpz } from '../src/formats/index.ts'
import { openRandom } from '../src/model/index.ts'
import { loadPublishedSae, openPublishedSae } from '../src/sae/disk.ts'
import { openRunner, type SparseActs } from '../src/sae/index.ts'
import { makeSparseNpz } from '../test/sparseNpz.ts'

const D_IN = 2304
const WIDTHS = { '16k': 2 ** 14, '1m': 2 ** 20 } as const
type Width = keyof typeof WIDTHS
const L0 = 71
/** Above it are about L0 latents where pre-activations are standard normal. */
const THRESHOLDS: Readonly<Record<Width, number>> = { '16k': 2.627, '1m': 3.83 }
const N_TOKENS = 3
const STREAM_BYTES = 2 ** 28

type Opened = {
  readonly opened_ms: number
  readonly opened_cpu_ms: number
  readonly encoded_ms: number
  readonly l0: number
  /** Most resident memory beyond what there was before opening. */
  readonly peak_bytes: number
  readonly file_bytes: number
}

const noise = (n: number, seed: number, scale: number): Float32Array => {
  const random = openRandom(seed)
  // Uniform of unit variance, times scale.
  return Float32Array.from({ length: n }, () => (random() - 0.5) * Math.sqrt(12) * scale)
}
/** Rows of both matrices repeat a noise at shifting places: as random as needed, and made as fast as the disk writes. */
const SEED_LENGTH = 2 ** 20 + 2 ** 12
const shift = (row: number): number => (row * 3571) % 2 ** 12

async function make(path: string, width: Width): Promise<void> {
  const d_sae = WIDTHS[width]
  const long = noise(SEED_LENGTH, 3, 1 / Math.sqrt(D_IN))
  const vectors = {
    b_enc: noise(d_sae, 1, 0.1),
    b_dec: noise(D_IN, 2, 1),
    threshold: new Float32Array(d_sae).fill(THRESHOLDS[width]),
  }
  const rows = 2 ** 8
  const rowOf = (i: number) => long.subarray(shift(i), shift(i) + d_sae)
  const rowsOf = (latent: number) => long.subarray(shift(latent), shift(latent) + rows * D_IN)
  if (width === '16k') {
    const W_enc = new Float32Array(D_IN * d_sae)
    const W_dec = new Float32Array(d_sae * D_IN)
    for (let i = 0; i < D_IN; i++) W_enc.set(rowOf(i), i * d_sae)
    for (let latent = 0; latent < d_sae; latent += rows) W_dec.set(rowsOf(latent), latent * D_IN)
    const matrices = [
      ['W_enc', fromFloat32(W_enc, [D_IN, d_sae])],
      ['W_dec', fromFloat32(W_dec, [d_sae, D_IN])],
    ] as const
    const others = Object.entries(vectors).map(
      ([name, values]) => [name, fromFloat32(values, [values.length])] as const,
    )
    return writeFileAtomic(path, writeNpz([...matrices, ...others]))
  }
  const npz = await makeSparseNpz(path, {
    W_enc: [D_IN, d_sae],
    W_dec: [d_sae, D_IN],
    ...vectors,
  })
  for (let i = 0; i < D_IN; i++) await npz.write('W_enc', i * d_sae, rowOf(i))
  for (let latent = 0; latent < d_sae; latent += rows)
    await npz.write('W_dec', latent * D_IN, rowsOf(latent))
  await npz.close()
}

/** Active latents of x [N_TOKENS, D_IN] by sums in f64. */
function reference(x: Float32Array, width: Width): number[][] {
  const d_sae = WIDTHS[width]
  const long = noise(SEED_LENGTH, 3, 1 / Math.sqrt(D_IN))
  const b_enc = noise(d_sae, 1, 0.1)
  const threshold = Math.fround(THRESHOLDS[width])
  return Array.from({ length: N_TOKENS }, (_, token) => {
    const pre = Float64Array.from(b_enc)
    for (let i = 0; i < D_IN; i++) {
      const value = x[token * D_IN + i]!
      const from = shift(i)
      for (let latent = 0; latent < d_sae; latent++) pre[latent]! += value * long[from + latent]!
    }
    return [...pre.keys()].filter((latent) => pre[latent]! > threshold)
  })
}

async function open(path: string, width: Width): Promise<Opened> {
  const x = noise(N_TOKENS * D_IN, 4, 1)
  const before = process.memoryUsage.rss()
  const cpu = process.cpuUsage()
  const started = performance.now()
  const whole = width === '16k' ? (await loadPublishedSae(path)).sae : undefined
  const streamed =
    whole === undefined ? await openPublishedSae(path, { memory_bytes: STREAM_BYTES }) : undefined
  const opened_ms = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  const loaded = process.resourceUsage().maxRSS * 1024
  const sae = streamed ?? (await openRunner(whole!))
  const begun = performance.now()
  const acts = await sae.encode(x)
  await sae.decode(acts)
  const encoded_ms = performance.now() - begun
  await sae.close()
  // Of the loaded one what loading takes; the streamed one takes memory as it works.
  const peak = whole === undefined ? process.resourceUsage().maxRSS * 1024 : loaded
  compare(acts, reference(x, width))
  return {
    opened_ms,
    opened_cpu_ms: (user + system) / 1e3,
    encoded_ms,
    l0: acts.index.length / N_TOKENS,
    peak_bytes: peak - before,
    file_bytes: statSync(path).size,
  }
}

function compare({ row_start, index }: SparseActs, expected: number[][]): void {
  expected.forEach((latents, row) => {
    const found = [...index.subarray(row_start[row], row_start[row + 1])]
    if (found.join() === latents.join()) return
    const strange = found.filter((latent) => !latents.includes(latent))
    const missing = latents.filter((latent) => !found.includes(latent))
    throw new Error(
      `row ${row}: ${found.length} active latents, expected ${latents.length}; beyond them ${strange}, missing ${missing}`,
    )
  })
}

/** Also because a process begins with its parent's peak. */
function inOwnProcess(role: 'make' | 'open', path: string, width: Width): string {
  const file = fileURLToPath(import.meta.url)
  return execFileSync(process.execPath, [file, role, path, width], { encoding: 'utf8' })
}

const [role = '', path = '', width = '16k'] = process.argv.slice(2)
if (role === 'make') await make(path, width as Width)
else if (role === 'open') console.log(JSON.stringify(await open(path, width as Width)))
else {
  const folder = mkdtempSync(join(tmpdir(), 'hooke-sae-files-'))
  console.log(
    '| params.npz | size | opened in | CPU | encoded and decoded %d rows in | L0 | memory |'.replace(
      '%d',
      String(N_TOKENS),
    ),
  )
  console.log('|---|---|---|---|---|---|---|')
  try {
    for (const name of role === 'million' ? (['16k', '1m'] as const) : (['16k'] as const)) {
      const inside = join(folder, `gemma-scope-2b-pt-res/layer_20/width_${name}/average_l0_${L0}`)
      mkdirSync(inside, { recursive: true })
      const file = join(inside, 'params.npz')
      inOwnProcess('make', file, name)
      const answer = inOwnProcess('open', file, name)
      const { opened_ms, opened_cpu_ms, encoded_ms, l0, peak_bytes, file_bytes } = JSON.parse(
        answer,
      ) as Opened
      const share = `${(peak_bytes / 1e6).toFixed(0)} MB, ${(peak_bytes / file_bytes).toFixed(2)} of the file`
      console.log(
        `| ${D_IN} x ${WIDTHS[name]} | ${(file_bytes / 1e9).toFixed(2)} GB | ${(opened_ms / 1e3).toFixed(2)} s | ${(opened_cpu_ms / 1e3).toFixed(2)} s | ${(encoded_ms / 1e3).toFixed(2)} s | ${l0.toFixed(1)} | ${share} |`,
      )
      rmSync(file)
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
