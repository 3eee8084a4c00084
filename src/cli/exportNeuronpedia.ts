/**
 * A suite as Neuronpedia's bundle: `<out>/v1/<model>/<layer>-<source set>/` with release, model, sourceset and source as single lines,
 * and features, activations and explanations in gzipped batches of 1,024 latents. Memory holds the examples of one
 * batch, whatever the width; equal suites give equal bytes.
 */
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import type { LabelsFile } from '../jobs/index.ts'
import type { LatentFile } from '../latents/disk.ts'
import type { LatentRecord, NeuronpediaSource } from '../latents/index.ts'
import type { SaeEntry } from '../sae/index.ts'
import type { Exported } from './exportLayouts.ts'

/** Latents in one file. */
const BATCH = 1024

/** SAEs that are not indexed, lie outside the blocks or whose model has no name are left out. */
export async function* exportNeuronpedia(
  suite: string,
  entries: readonly SaeEntry[],
  out: string,
): AsyncGenerator<Exported> {
  const { neuronpediaSource, readLabelsFile, readPieces } = await import('../jobs/index.ts')
  const { LATENTS_FILE, openLatents } = await import('../latents/disk.ts')
  const { pathExists } = await import('../files/index.ts')
  const pieces = await readPieces(suite)
  for (const entry of entries) {
    const { path } = entry
    const source = await neuronpediaSource(suite, entry, entries)
    if ('why' in source) yield { left_out: path, why: source.why }
    else if (pieces === undefined || !(await pathExists(join(path, LATENTS_FILE))))
      yield { left_out: path, why: `it is not indexed. Run hooke index ${suite} first.` }
    else {
      const folder = join(out, 'v1', source.modelId, source.id)
      const latents = await openLatents(path)
      try {
        await writeBundle(folder, { suite, source, entry, latents, pieces })
        await writeExplanations(folder, source, await readLabelsFile(path), entry.d_sae)
      } finally {
        await latents.close()
      }
      yield { written: folder }
    }
  }
}

type Bundle = {
  readonly suite: string
  readonly source: NeuronpediaSource
  readonly entry: SaeEntry
  readonly latents: LatentFile
  readonly pieces: readonly string[]
}

async function writeBundle(folder: string, bundle: Bundle): Promise<void> {
  const { activationRows, featureRow } = await import('../latents/index.ts')
  const { openFile, removePath, writeFileAtomic } = await import('../files/index.ts')
  const { dashed } = await import('../jobs/index.ts')
  const { SAELENS_FILES } = await import('../sae/index.ts')
  const { suite, source, entry, latents, pieces } = bundle
  const { modelId, id, setName, createdAt } = source
  // An earlier export may have had more batches.
  for (const kind of ['features', 'activations', 'explanations'])
    await removePath(join(folder, kind))
  const created = createdAt === undefined ? {} : { createdAt }
  const name = dashed(basename(suite))
  const heads = {
    release: { name, description: basename(suite), descriptionShort: basename(suite), ...created },
    model: { id: modelId, displayName: modelId, displayNameShort: modelId },
    sourceset: {
      modelId,
      name: setName,
      releaseName: name,
      description: `${entry.hook_out === undefined ? entry.hook : `${entry.hook} to ${entry.hook_out}`}, ${entry.d_sae} latents`,
      ...created,
    },
    source: { id, modelId, setName, ...created },
  }
  for (const [head, row] of Object.entries(heads))
    await writeFileAtomic(join(folder, `${head}.jsonl`), `${JSON.stringify(row)}\n`)
  // Neuronpedia shows line breaks itself; pieces.json has them as a sign.
  const piece = (token: number) => (pieces[token] ?? `<${token}>`).replaceAll('\u21b5', '\n')
  const weights = await openFile(join(entry.path, SAELENS_FILES.weights))
  try {
    const vectorOf = await openDecoder(weights, entry)
    const { n_intervals, hook } = latents.info
    for (let batch = 0; batch * BATCH < entry.d_sae; batch++) {
      const from = batch * BATCH
      const records: LatentRecord[] = []
      for (let i = from; i < Math.min(from + BATCH, entry.d_sae); i++)
        records.push(await latents.record(i))
      await writeLines(join(folder, `features/batch-${batch}.jsonl.gz`), async function* () {
        for (const record of records) {
          const vector = await vectorOf(record.index)
          yield featureRow(source, record, { vector, hook, piece })
        }
      })
      await writeLines(join(folder, `activations/batch-${batch}.jsonl.gz`), async function* () {
        for (const record of records) yield* activationRows(source, record, { n_intervals, piece })
      })
    }
  } finally {
    await weights.close()
  }
}

/** Rows of W_dec, one at a time, as loading the SAE would give them. */
async function openDecoder(
  weights: Parameters<typeof import('../formats/index.ts').parseSafetensors>[0],
  { path, d_sae }: SaeEntry,
): Promise<(index: number) => Promise<Float32Array>> {
  const { FormatError, parseSafetensors, toFloat32 } = await import('../formats/index.ts')
  const { readSaeConfig } = await import('../sae/disk.ts')
  const { rescale_acts_by_decoder_norm } = await readSaeConfig(path)
  const entry = (await parseSafetensors(weights)).tensors.get('W_dec')
  if (entry === undefined || entry.shape[0] !== d_sae)
    throw new FormatError(weights.name, `has no W_dec of ${d_sae} rows.`)
  const { dtype, shape, offset, length } = entry
  const row_bytes = length / d_sae
  return async (index) => {
    const bytes = await weights.read(offset + index * row_bytes, row_bytes)
    const row = toFloat32({ dtype, shape: [shape[1]!], bytes })
    if (!rescale_acts_by_decoder_norm) return row
    const norm = Math.hypot(...row) || 1
    return row.map((value) => value / norm)
  }
}

/** Labels by the batch of their latents; no file for a batch without any. */
async function writeExplanations(
  folder: string,
  source: NeuronpediaSource,
  labels: LabelsFile | undefined,
  d_sae: number,
): Promise<void> {
  if (labels === undefined) return
  const { explanationRow } = await import('../latents/index.ts')
  const { method, author } = labels
  for (let batch = 0; batch * BATCH < d_sae; batch++) {
    const own = labels.labels
      .filter(({ latent }) => Math.floor(latent / BATCH) === batch)
      .toSorted((a, b) => a.latent - b.latent)
    if (own.length === 0) continue
    await writeLines(join(folder, `explanations/batch-${batch}.jsonl.gz`), async function* () {
      for (const { latent, text } of own)
        yield explanationRow(source, { latent, text, method, author })
    })
  }
}

/** Writes rows as gzipped JSON lines, as they come. */
async function writeLines(
  path: string,
  rows: () => AsyncGenerator<Record<string, unknown>>,
): Promise<void> {
  const { writeFileAtomic } = await import('../files/index.ts')
  const lines = async function* () {
    for await (const row of rows()) yield `${JSON.stringify(row)}\n`
  }
  const source = Readable.from(lines())
  const gzip = createGzip()
  source.on('error', (error) => gzip.destroy(error))
  await writeFileAtomic(path, source.pipe(gzip) as AsyncIterable<Uint8Array>)
}
