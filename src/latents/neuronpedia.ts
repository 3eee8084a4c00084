/**
 * What is known of a latent as rows of Neuronpedia's JSON-lines bundle. Only rows: writing them is the exporter's.
 *
 * Fields carry that project's names. What is not measured here is absent, never zero: neuron alignment, correlated neurons,
 * logit histograms, embeddings of explanations, creators. Logit values are ours, centred over the vocabulary (`logits.ts`): the
 * same tokens as there, other numbers. A histogram's values are the middles of its bins.
 * Source: neuronpedia, `apps/webapp/prisma/schema.prisma` and `utils/neuronpedia-utils` (the exporters), 2026-08.
 */

import { intervalsOf } from './intervals.ts'
import type { LatentExample, LatentRecord } from './types.ts'

/** Whose rows they are. */
export type NeuronpediaSource = {
  readonly modelId: string
  /** `<layer>-<source set>`, e.g. `20-gemmascope-res-16k`. */
  readonly id: string
  readonly setName: string
  /** The site that decoder directions live at. */
  readonly hookName: string
  /** ISO 8601; absent where the suite does not say. */
  readonly createdAt?: string
}

/**
 * The row of a latent in `features/batch-N.jsonl.gz`.
 * @param vector [d_out] its decoder row.
 * @param hook the site its neighbours are named by.
 */
export function featureRow(
  { modelId, id, setName, hookName, createdAt }: NeuronpediaSource,
  record: LatentRecord,
  options: { vector: Float32Array; hook: string; piece: (id: number) => string },
): Record<string, unknown> {
  const { vector, hook, piece } = options
  const { index, n_active, max_act, density, histogram, top_logits, bottom_logits } = record
  const near = record.neighbours.filter((neighbour) => neighbour.hook === hook)
  const fires = n_active > 0
  return {
    modelId,
    layer: id,
    index,
    sourceSetName: setName,
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(fires ? { maxActApprox: short(max_act) } : {}),
    hasVector: true,
    vector: Array.from(vector, short),
    hookName,
    ...(fires ? { vectorDefaultSteerStrength: short(max_act) } : {}),
    frac_nonzero: density,
    ...(fires
      ? {
          freq_hist_data_bar_heights: histogram.counts,
          freq_hist_data_bar_values: histogram.counts.map(
            (_, b) => (histogram.edges[b]! + histogram.edges[b + 1]!) / 2,
          ),
        }
      : {}),
    ...(top_logits.length === 0
      ? {}
      : {
          neg_str: bottom_logits.map((logit) => piece(logit.id)),
          neg_values: bottom_logits.map((logit) => short(logit.effect)),
          pos_str: top_logits.map((logit) => piece(logit.id)),
          pos_values: top_logits.map((logit) => short(logit.effect)),
        }),
    ...(near.length === 0
      ? {}
      : {
          topkCosSimIndices: near.map((neighbour) => neighbour.index),
          topkCosSimValues: near.map((neighbour) => short(neighbour.cosine)),
        }),
  }
}

/**
 * The rows of a latent's examples in `activations/batch-N.jsonl.gz`, in their order: the strongest first, then each activation
 * interval's, which say their borders.
 * @param n_intervals of the index.
 */
export function activationRows(
  { modelId, id, createdAt }: NeuronpediaSource,
  { index, max_act, examples }: LatentRecord,
  { n_intervals, piece }: { n_intervals: number; piece: (id: number) => string },
): Record<string, unknown>[] {
  return examples.map((example, n) => ({
    id: `${modelId}_${id}_${index}_${n}`,
    modelId,
    layer: id,
    index,
    ...(createdAt === undefined ? {} : { createdAt }),
    tokens: Array.from(example.ids, piece),
    values: Array.from(example.values, short),
    ...extremes(example),
    dataIndex: String(example.doc),
    qualifyingTokenIndex: example.peak,
    ...borders(example, max_act, n_intervals),
  }))
}

/** The row of a label in `explanations/batch-N.jsonl.gz`. Whose it is stands in `authorId` for people, in `explanationModelName` for models. */
export function explanationRow(
  { modelId, id }: Pick<NeuronpediaSource, 'modelId' | 'id'>,
  label: { latent: number; text: string; method: 'manual' | 'lexical' | 'llm'; author: string },
): Record<string, unknown> {
  const { latent, text, method, author } = label
  return {
    // There is one lexical labeller, but there are many people and models.
    id: [modelId, id, latent, method, ...(method === 'lexical' ? [] : [author])].join('_'),
    modelId,
    layer: id,
    index: latent,
    description: text,
    ...(method === 'manual' ? { authorId: author } : {}),
    typeName: `hooke_${method}`,
    ...(method === 'llm' ? { explanationModelName: author } : {}),
  }
}

function extremes({ values }: LatentExample) {
  let [most, least] = [0, 0]
  for (let i = 1; i < values.length; i++) {
    if (values[i]! > values[most]!) most = i
    if (values[i]! < values[least]!) least = i
  }
  return {
    maxValue: short(values[most]!),
    maxValueTokenIndex: most,
    minValue: short(values[least]!),
  }
}

/** The activation interval that an example was drawn from: `binMin` up to but not including `binMax`; none of the strongest. */
function borders({ interval }: LatentExample, max_act: number, n_intervals: number) {
  const own = intervalsOf(max_act, n_intervals, []).find((one) => one.interval === interval)
  return own ? { binMin: own.from, binMax: own.to } : {}
}

/** A float32 in the fewest digits that give it back. */
function short(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits))
    if (Math.fround(rounded) === Math.fround(value)) return rounded
  }
  return Number(value.toPrecision(9))
}
