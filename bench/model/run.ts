/**
 * A model of a real model's shape, random weights made here: opening, prefill, decode, layer streaming, quality of fewer bits, beside
 * what a user would take otherwise (eager PyTorch, node-llama-cpp) and beside the bare matrix products.
 *
 *     npm run bench -- model [open] [prefill] [decode] [streaming] [quality] [--shape 2b|9b|tiny] [--folder DIR] [--threads 2]
 *         [--rounds 3] [--weights f32|i16|bf16|q8|q4] [--memory 4GB] [--batches 1x1024,8x512] [--9b] [--json]
 *
 * Without parts: all of them. The checkpoint (2b: 5.2 GB, and 2.8 GB more for node-llama-cpp) is made under --folder, by default in
 * the temporary folder, and stays there. --9b adds streaming through the 9B shape (18.5 GB on disk). In float32 the 2b shape
 * needs 14 GB of memory.
 */
import { cpus, loadavg, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { PRECISIONS } from '../../src/model/memory.ts'
import { ensureCheckpoint } from './checkpoint.ts'
import { benchDecode } from './decode.ts'
import { benchOpen } from './open.ts'
import { benchPrefill } from './prefill.ts'
import { compileHooke } from './program.ts'
import { benchQuality } from './quality.ts'
import { printTable, type Row, renderJson } from './report.ts'
import type { Setup } from './setup.ts'
import { SHAPES, type ShapeName } from './shape.ts'
import { benchStreaming } from './streaming.ts'

const PARTS: Readonly<Record<string, (setup: Setup, shape: ShapeName) => Promise<Row[]>>> = {
  open: benchOpen,
  prefill: benchPrefill,
  decode: benchDecode,
  streaming: benchStreaming,
  quality: benchQuality,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    shape: { type: 'string', default: '2b' },
    folder: { type: 'string', default: join(tmpdir(), 'hooke-bench') },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '3' },
    weights: { type: 'string', default: 'f32' },
    memory: { type: 'string', default: '4GB' },
    batches: { type: 'string', default: '1x1024,8x512' },
    '9b': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

/** @throws RangeError naming what there is. */
function oneOf<Name extends string>(what: string, given: string, names: readonly Name[]): Name {
  const name = names.find((known) => known === given)
  if (name !== undefined) return name
  throw new RangeError(`model: there is no ${what} "${given}", there are ${names.join(', ')}`)
}

function sizeOf(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*GB$/.exec(text)
  if (match === null) throw new RangeError(`model: --memory is "${text}", expected such as 4GB`)
  return Number(match[1]) * 1e9
}

async function setupOf(shape: ShapeName): Promise<Setup> {
  const folder = join(values.folder, `gemma2-${shape}`)
  await ensureCheckpoint(folder, SHAPES[shape])
  return {
    folder,
    program: compileHooke(),
    shape: SHAPES[shape],
    threads: Number(values.threads),
    rounds: Number(values.rounds),
    weights: oneOf('--weights', values.weights, PRECISIONS),
    memory_bytes: sizeOf(values.memory),
    batches: values.batches.split(',').map((batch) => {
      const [n_seqs, seq_len] = batch.split('x').map(Number)
      return [n_seqs!, seq_len!] as const
    }),
  }
}

const shape = oneOf('--shape', values.shape, Object.keys(SHAPES) as ShapeName[])
const parts = (positionals.length > 0 ? positionals : Object.keys(PARTS)).map((part) =>
  oneOf('part', part, Object.keys(PARTS)),
)
const setup = await setupOf(shape)
const load_before = loadavg()[0]!
const rows: Row[] = []
const add = (found: readonly Row[]): void => {
  rows.push(...found)
  if (!values.json) printTable(found)
}
for (const part of parts) add(await PARTS[part]!(setup, shape))
if (values['9b']) add(await benchStreaming(await setupOf('9b'), '9b'))
if (values.json) {
  const machine = { cpu: cpus()[0]?.model, n_cpus: cpus().length, memory_bytes: totalmem() }
  const about = { machine, load: [load_before, loadavg()[0]], ...values, node: process.version }
  console.log(renderJson(about, rows))
}
