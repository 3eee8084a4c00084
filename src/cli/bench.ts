/** `hooke bench`: what can be measured about the method itself, without a model. */
import type { Command } from 'commander'
import type { ArchitectureName } from '../train/index.ts'
import { CliError } from './errors.ts'
import { type Context, numberList, wholeNumber } from './options.ts'
import type { RecoveryRow, RecoverySettings } from './recovery.ts'
import { type Cell, openProgress, renderTable } from './terminal.ts'

type Options = {
  architectures?: string[]
  l0?: number[]
  seeds: number
  features: number
  trueL0: number
  dIn: number
  width: number
  tokens: number
  threads: number
  json?: boolean
}

const nameList = (text: string, previous: string[] = []): string[] => [
  ...previous,
  ...text.split(',').map((name) => name.trim()),
]

export function addBenchCommand(program: Command, { signal }: Context): void {
  program
    .command('bench')
    .summary('how much of a known dictionary each architecture finds')
    .description('Measures the method itself, without a model.')
    .command('recovery')
    .summary('train on activations with a known dictionary, and score what is found')
    .description(
      'Makes activations from a known dictionary with more directions than dimensions, some of which fire together and some of which fire only with a parent; trains every architecture on them at every L0 and seed; and prints how much of the dictionary each finds, mean and standard deviation over the seeds.',
    )
    .option('--architectures <names...>', 'which to train (default: all)', nameList)
    .option('--l0 <k...>', 'active latents a token (default: 4,8,16)', numberList)
    .option(
      '--seeds <n>',
      'dictionaries, each with its own data and first weights',
      wholeNumber(1),
      3,
    )
    .option('--features <n>', 'directions of the dictionary', wholeNumber(16), 256)
    .option('--true-l0 <k>', 'features on in a token', wholeNumber(1), 8)
    .option('--d-in <n>', 'dimensions of the activations', wholeNumber(2), 96)
    .option('--width <n>', 'latents per SAE', wholeNumber(2), 512)
    .option('--tokens <n>', 'tokens each SAE is trained on', wholeNumber(1024), 400_000)
    .option('--threads <n>', 'threads (does not change the result)', wholeNumber(1, 256), 2)
    .option('--json', 'print the settings and every score as JSON')
    .action(async (options: Options) => {
      const settings: RecoverySettings = {
        architectures: await architecturesOf(options.architectures),
        l0: [...new Set(options.l0 ?? [4, 8, 16])],
        n_seeds: options.seeds,
        d_in: options.dIn,
        n_features: options.features,
        true_l0: options.trueL0,
        d_sae: options.width,
        n_tokens: options.tokens,
        batch_size: 1024,
        score_tokens: 16_384,
        threads: options.threads,
      }
      const { measureRecovery } = await import('./recovery.ts')
      const progress = openProgress()
      const started = performance.now()
      const onProgress = (what: string, share: number): void => {
        const left = ((performance.now() - started) * (1 - share)) / share
        progress.update(`training ${what}`, share, share > 0 ? left : undefined)
      }
      const rows: RecoveryRow[] = []
      try {
        for await (const more of measureRecovery(settings, { signal, onProgress }))
          rows.push(...more)
      } catch (error) {
        if (!signal.aborted) throw error // stopped: what is measured is printed
      } finally {
        progress.clear()
      }
      console.log(
        options.json ? JSON.stringify({ settings, rows }) : renderRecovery(settings, rows),
      )
    })
}

async function architecturesOf(names: readonly string[] | undefined): Promise<ArchitectureName[]> {
  const { ARCHITECTURE_NAMES } = await import('../train/index.ts')
  const known = (name: string): ArchitectureName => {
    const found = ARCHITECTURE_NAMES.find((one) => one === name)
    if (found) return found
    throw new CliError(
      `bench recovery: there is no architecture "${name}"; there are ${ARCHITECTURE_NAMES.join(', ')}.`,
    )
  }
  return names ? [...new Set(names.map(known))] : [...ARCHITECTURE_NAMES]
}

type Score = NonNullable<RecoveryRow['score']>

/** Column title, what it shows, digits; shares are printed in percent. */
const COLUMNS: readonly (readonly [string, (score: Score) => number | undefined, number, '%'?])[] =
  [
    ['L0', (s) => s.l0, 1],
    ['FVU', (s) => s.fvu, 3],
    ['dead', (s) => s.dead, 0, '%'],
    ['max cos', (s) => s.mean_max_cosine, 3],
    ['matched cos', (s) => s.mean_matched_cosine, 3],
    ['recovered', (s) => s.recovered, 0, '%'],
    ['F1', (s) => s.f1, 3],
    ['absorbed', (s) => s.absorption?.absorbed, 0, '%'],
    ['silent alone', (s) => s.absorption?.silent_alone, 0, '%'],
  ]

/** A row for each architecture and L0: mean ± standard deviation over the seeds. */
export function renderRecovery(settings: RecoverySettings, rows: readonly RecoveryRow[]): string {
  const { architectures, l0, n_seeds, d_in, n_features, true_l0, d_sae } = settings
  const { n_tokens, score_tokens } = settings
  const lines = architectures.flatMap((architecture) =>
    l0.map((target): Cell[] => {
      const scores = rows
        .filter((row) => row.architecture === architecture && row.l0_target === target)
        .flatMap(({ score }) => score ?? [])
      const cells = COLUMNS.map(([, pick, digits, unit]) =>
        renderSpread(
          scores.flatMap((score) => pick(score) ?? []).map((v) => (unit ? 100 * v : v)),
          digits,
          unit,
        ),
      )
      return [architecture, target, ...cells]
    }),
  )
  const failed = rows.filter((row) => row.failed !== undefined)
  const n_asked = architectures.length * l0.length * n_seeds
  const stopped = rows.length < n_asked ? [`Stopped after ${rows.length} of ${n_asked} SAEs.`] : []
  const count = (n: number): string => n.toLocaleString('en')
  return [
    renderTable(['architecture', 'L0 asked', ...COLUMNS.map(([title]) => title)], lines),
    `${n_features} features in ${d_in} dimensions, ${true_l0} on in a token; ${d_sae} latents, ${count(n_tokens)} tokens, measured on ${count(score_tokens)} others.`,
    `Mean ± standard deviation over ${n_seeds} seed${n_seeds === 1 ? '' : 's'}. max cos: of each feature with its nearest latent; matched cos: with a latent of its own;`,
    "recovered: matched at 0.9 or nearer; F1: matched latents on when their features are; absorbed: a child's latent fires and",
    "its parent's is silent; silent alone: the same where the parent is on without a child.",
    ...stopped,
    ...failed.map(
      (r) => `${r.architecture}, L0 ${r.l0_target}, seed ${r.seed} failed: ${r.failed}`,
    ),
  ].join('\n')
}

/** `0.912 ± 0.004`, one value alone without a deviation; absent where there is none. */
function renderSpread(values: readonly number[], digits: number, unit = ''): Cell {
  if (values.length === 0) return undefined
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const spread =
    values.length > 1 ? ` ± ${Math.sqrt(squares / (values.length - 1)).toFixed(digits)}` : ''
  return `${mean.toFixed(digits)}${spread}${unit && ` ${unit}`}`
}
