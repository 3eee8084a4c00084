/**
 * The tour: from a model and a text to a steered sentence, with the library's own functions, in a minute or two.
 *
 *     node examples/tour.ts        (from a checkout, after npm run setup; in your project import from 'hooke/model' and so on)
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openActivations, readCorpus, splitCorpus, writeStore } from '../src/activations/index.ts'
import { evaluateSuite } from '../src/evaluate/index.ts'
import { lexicalLabel, wordBackground } from '../src/label/index.ts'
import { indexLatents, latentRecord } from '../src/latents/index.ts'
import { openModel, padBatch } from '../src/model/index.ts'
import { loadSae } from '../src/sae/disk.ts'
import { openRunner, saeFolder } from '../src/sae/index.ts'
import { steer } from '../src/steer/index.ts'
import { train } from '../src/train/index.ts'

const hook = 'blocks.3.hook_resid_post'
const folder = await mkdtemp(join(tmpdir(), 'hooke-tour-'))

console.log('1. a model, and a text as documents of tokens')
const model = await openModel('thimble-5m')
const tokenizer = model.tokenizer!
const corpus = await readCorpus(['models/thimble-5m/anthology.txt'], tokenizer, {
  n_ctx: model.config.n_ctx,
})
const { train: text, held_out } = splitCorpus(corpus, { held_out: 0.05 })

console.log(`2. activations at ${hook}`)
await writeStore(join(folder, 'activations'), model, text, { hooks: [hook], n_tokens: 100_000 })
const source = await openActivations(join(folder, 'activations'))

console.log('3. a sparse autoencoder')
const spec = { hook, d_sae: 1024, l0: 24 } as const
await train({ source, saes: [spec], out: folder, batch_size: 1024, n_tokens: 400_000, seed: 0 })
await source.close()
const sae = await loadSae(saeFolder(folder, spec.hook, spec.d_sae, spec.l0))
const runner = await openRunner(sae)

console.log('4. how good it is')
const metrics = (await evaluateSuite(model, [runner], held_out, { n_tokens: 4000 })).get(runner)!
console.log(
  `   L0 ${metrics.l0.toFixed(1)}, FVU ${metrics.fvu?.toFixed(3)}, delta loss ${metrics.delta_ce_loss?.toFixed(3)} nats`,
)

console.log('5. what its latents do, and a label for each')
const { info, columns } = (await indexLatents(model, [runner], held_out)).get(runner)!
const { pieces } = tokenizer
const background = wordBackground([corpus.ids], pieces)
const labelOf = (latent: number) =>
  lexicalLabel(latentRecord(info, columns, latent), { pieces, background, n_tokens: info.n_tokens })
    .text

console.log('6. a sentence under the microscope')
const ids = tokenizer.tokenize('The ship came back to the harbour in the evening.')
const { acts } = await model.forward(padBatch([ids]), { hooks: [hook] })
const latents = await runner.encode(acts.get(hook)!.data)
const strongest = (t: number) => {
  const { row_start, index, value } = latents
  const entries = Array.from(index.subarray(row_start[t], row_start[t + 1]).keys())
  const at = (i: number) => row_start[t]! + i
  return index[at(entries.reduce((best, i) => (value[at(i)]! > value[at(best)]! ? i : best), 0))]!
}
for (let t = 1; t < ids.length; t++) {
  const latent = strongest(t)
  console.log(
    `   ${pieces[ids[t]!]!.padEnd(10)} latent ${String(latent).padStart(4)}  ${labelOf(latent)}`,
  )
}

const latent = strongest(ids.length - 2)
console.log(`7. latent ${latent} turned up: ${labelOf(latent)}`)
const max_act = columns.max_act[latent]!
const options = { prompt: 'The house', max_tokens: 30, temperature: 0.7, seed: 1 }
const interventions = [{ sae, latent, mode: 'add', strength: 1, max_act } as const]
for await (const event of steer(model, { ...options, interventions }))
  if (event.type === 'done')
    console.log(`   default: The house${event.default}\n   steered: The house${event.steered}`)

await runner.close()
await model.close()
