/** The plan of a run as a person reads it. */
import type { CapturePlan, RunPlan } from '../jobs/index.ts'
import { renderBytes, renderDuration } from './terminal.ts'

/** The lines that stand before a run. */
export function renderPlan(plan: RunPlan): string {
  const { mode, n_saes, sites, n_tokens, text_tokens, epochs, n_steps, batch_size } = plan
  const { disk, buckets, memory, memory_bytes, time } = plan
  const passes = epochs <= 1 ? 'of' : `${epochs.toFixed(1)} times`
  const lines: [string, string][] = [
    ['SAEs', `${n_saes}, from ${sites.length} site${sites.length === 1 ? '' : 's'}`],
    [
      'tokens',
      `${count(n_tokens)} (${passes} ${count(text_tokens)}), ${count(n_steps)} steps of ${count(batch_size)}`,
    ],
  ]
  if (buckets)
    lines.push([
      'buckets',
      `${buckets.n_per_epoch} an epoch, of up to ${count(buckets.n_tokens)} tokens, ${renderBytes(buckets.size_bytes)} each`,
    ])
  const activations =
    disk.activation_bytes > 0 ? [`activations ${renderBytes(disk.activation_bytes)}`] : []
  const kept = [
    `checkpoints ${renderBytes(disk.checkpoint_bytes)}`,
    `SAEs ${renderBytes(disk.sae_bytes)}`,
  ]
  lines.push(['disk', [...activations, ...kept].join(', ')])
  const parts = (
    [
      ['model', memory.model_bytes],
      ['capture', memory.capture_bytes],
      ['activations', memory.activation_bytes],
      ['training', memory.training_bytes],
    ] as const
  )
    .filter(([, bytes]) => bytes > 0)
    .map(([name, bytes]) => `${name} ${renderBytes(bytes)}`)
  const budget = memory_bytes === undefined ? '' : ` of ${renderBytes(memory_bytes)} allowed`
  lines.push(['memory', `${renderBytes(memory.peak_bytes)} at most${budget} (${parts.join(', ')})`])
  const stages = [
    ...(time.capture_ms > 0 ? [`capture ${renderDuration(time.capture_ms)}`] : []),
    `training ${renderDuration(time.train_ms)}`,
    ...(time.evaluate_ms > 0 ? [`evaluation ${renderDuration(time.evaluate_ms)}`] : []),
  ]
  const together = mode === 'stream' ? '; capture and training overlap' : ''
  lines.push([
    'time',
    `about ${renderDuration(time.total_ms)} (${stages.join(', ')}${together}): an estimate`,
  ])
  return renderLines(lines)
}

/** The same of a capture by itself. */
export function renderCapturePlan(plan: CapturePlan): string {
  return renderLines([
    ['sites', plan.sites.join(', ')],
    ['tokens', count(plan.n_tokens)],
    ['disk', renderBytes(plan.disk_bytes)],
    ['memory', `${renderBytes(plan.memory_bytes)} at most`],
    ['time', `about ${renderDuration(plan.time_ms)}: an estimate`],
  ])
}

const renderLines = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([name, text]) => `${name.padEnd(8)} ${text}`).join('\n')

const count = (n: number): string => n.toLocaleString('en')
