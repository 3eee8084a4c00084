/** The model card of a published suite: README.md with the metadata that the Hub reads, what was measured, and how to load it. */
import type { Metrics, SaeEntry } from '../sae/index.ts'

export type CardSae = {
  readonly entry: SaeEntry
  /** Folder in the repository. */
  readonly folder: string
  /** As in cfg.json. */
  readonly architecture: string
  readonly metrics: Metrics | undefined
}

export type Card = {
  /** `owner/name` */
  readonly id: string
  /** What people call the suite. */
  readonly title: string
  readonly model: string
  /** The model's own id on the Hub, where it has one. */
  readonly base_model?: string | undefined
  /** An identifier as the Hub has them, e.g. `apache-2.0`. */
  readonly license?: string | undefined
  readonly saes: readonly CardSae[]
  /** Version of Hooke that made the suite. */
  readonly version: string
}

/** @returns Markdown; numbers that were not measured show as a dash. */
export function renderModelCard({
  id,
  title,
  model,
  base_model,
  license,
  saes,
  version,
}: Card): string {
  const head = [
    'library_name: saelens',
    ...(license === undefined ? [] : [`license: ${JSON.stringify(license)}`]),
    ...(base_model === undefined ? [] : [`base_model: ${JSON.stringify(base_model)}`]),
    'tags:',
    ...['sparse-autoencoder', 'mechanistic-interpretability', 'hooke'].map((tag) => `  - ${tag}`),
  ]
  const counts = [...new Set(saes.flatMap(({ metrics }) => metrics?.n_tokens ?? []))]
  const measured =
    counts.length === 0
      ? 'Nothing was measured.'
      : `Measured on ${counts.map((n) => n.toLocaleString('en')).join(', ')} held-out tokens. L0: active latents a token. FVU: squared error over variance. Delta loss: what the model's loss (nats a token) grows by when the reconstruction takes the activation's place. Dead: share of latents that never were active.`
  const first = saes[0]?.folder ?? ''
  return `---
${head.join('\n')}
---

# ${title}

${saes.length === 1 ? 'A sparse autoencoder' : `${saes.length} sparse autoencoders`} for ${base_model === undefined ? model : `[${base_model}](https://huggingface.co/${base_model})`}, made with Hooke ${version}.

${renderRows(saes)}

${measured}

Every folder holds \`cfg.json\` and \`sae_weights.safetensors\` in SAELens's layout. Activations go in as the model has them.

## Load with Hooke

\`\`\`sh
hooke pull ${id} --include "${first}/*"
hooke import ${id}/${first} --model ${base_model ?? model} --out suites/mine
\`\`\`

## Load with SAELens

\`\`\`python
from sae_lens import SAE

sae = SAE.from_pretrained("${id}", "${first}")
\`\`\`
${unknownToSaelens(saes)}`
}

function renderRows(saes: readonly CardSae[]): string {
  const rows = saes.map(({ entry, folder, architecture, metrics }) => [
    `\`${folder}\``,
    entry.hook_out === undefined ? entry.hook : `${entry.hook} to ${entry.hook_out}`,
    architecture,
    entry.d_sae,
    metrics?.l0.toFixed(1),
    metrics?.fvu?.toFixed(4),
    metrics?.delta_ce_loss?.toFixed(4),
    metrics && `${(100 * metrics.dead).toFixed(1)} %`,
  ])
  const head = ['folder', 'site', 'architecture', 'latents', 'L0', 'FVU', 'delta loss', 'dead']
  return [head, head.map((_, c) => (c < 3 ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.map((cell) => cell ?? '–').join(' | ')} |`)
    .join('\n')
}

/** Two kinds are this program's own names. */
function unknownToSaelens(saes: readonly CardSae[]): string {
  const own = ['topk_transcoder', 'topk_skip_transcoder']
  const found = own.filter((name) => saes.some(({ architecture }) => architecture === name))
  return found.length === 0
    ? ''
    : `\nSAELens does not know ${found.join(' and ')}: those load with Hooke only.\n`
}
