/**
 * Quality of the trainer: its FVU at equal L0 against Gemma Scope's recipe plainly implemented (`src/train/oracle/`), on the
 * same stored activations of the bundled model. Prints both and their ratio, for each lambda of the plain one.
 *
 *   node bench/quality.ts [d_sae batch_size n_steps]
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  capture,
  openActivations,
  readCorpus,
  splitCorpus,
  writeStore,
} from '../src/activations/index.ts'
import { resolveModel } from '../src/hub/index.ts'
import { openModel } from '../src/model/index.ts'
import { compareQuality } from '../src/train/oracle/quality.ts'

const HOOK = 'blocks.4.hook_resid_post'
const LAMBDAS = [1e-3, 3e-3, 1e-2]
const HELD_OUT_TOKENS = 8192
const [d_sae = 512, batch_size = 256, n_steps = 600] = process.argv.slice(2).map(Number)

const folder = await mkdtemp(join(tmpdir(), 'hooke-quality-'))
try {
  const path = await resolveModel('thimble-5m')
  const model = await openModel(path)
  const files = [join(path, 'anthology.txt'), join(path, 'samples.txt.gz')]
  const corpus = await readCorpus(files, model.tokenizer!, { n_ctx: model.config.n_ctx })
  const split = splitCorpus(corpus, { held_out: 0.05 })
  const n_tokens = n_steps * batch_size
  await writeStore(join(folder, 'store'), model, split.train, { hooks: [HOOK], n_tokens })
  const parts: Float32Array[] = []
  const asked = { hooks: [HOOK], n_tokens: HELD_OUT_TOKENS } as const
  for await (const { acts } of capture(model, split.held_out, asked)) parts.push(acts.get(HOOK)!)
  const held_out = Float32Array.from(parts.flatMap((part) => [...part]))
  await model.close()

  const source = await openActivations(join(folder, 'store'))
  console.log(
    `${HOOK}: ${source.n_tokens} tokens stored, ${n_steps} steps of ${batch_size}, d_sae ${d_sae}, ` +
      `${held_out.length / source.width(HOOK)} tokens held out`,
  )
  const rows = await compareQuality({
    ...{ source, hook: HOOK, held_out, d_sae, batch_size, n_steps },
    ...{ lambdas: LAMBDAS, seed: 1, out: join(folder, 'suite') },
    onRow: ({ lambda, plain }) =>
      console.log(
        `plain, lambda ${lambda}: L0 ${plain.l0.toFixed(1)}, FVU ${plain.fvu.toFixed(4)}`,
      ),
  })
  await source.close()
  console.table(
    rows.map(({ lambda, plain, runs, fvu, ratio }) => ({
      lambda,
      L0: plain.l0.toFixed(1),
      'plain FVU': plain.fvu.toFixed(4),
      'FVU at that L0': fvu.toFixed(4),
      ratio: ratio.toFixed(3),
      'runs (L0: FVU)': runs.map((run) => `${run.l0.toFixed(1)}: ${run.fvu.toFixed(4)}`).join(', '),
    })),
  )
} finally {
  await rm(folder, { recursive: true })
}
