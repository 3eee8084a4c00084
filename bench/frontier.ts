/**
 * Sparsity against fidelity of every architecture, on the same stored activations of the bundled model.
 *
 *     npm run bench -- frontier --out DIR [--hooks GLOBS] [--architectures NAMES] [--l0 8,16,32,64,128] [--width 2048]
 *                               [--tokens 1000000] [--eval-tokens 20000] [--seed 0] [--store DIR] [--threads 2]
 *
 * (1) Capture a store from the documents that are not held out. (2) For each architecture train one suite,
 * `DIR/ARCHITECTURE`, with the defaults, at every L0. (3) Measure each SAE on the held-out documents. (4) Write
 * `DIR/frontier.json` and `DIR/plots`, and print the table. The same command goes on after a stop: what is trained and measured stays.
 * Without --store the store lies in `DIR/activations`.
 */
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import {
  planCapture,
  readCorpus,
  sampleCorpus,
  specialIds,
  splitCorpus,
  type TokenCorpus,
  writeStore,
} from '../src/activations/index.ts'
import { openProgress, renderTable } from '../src/cli/terminal.ts'
import { evaluateSuite } from '../src/evaluate/index.ts'
import { writeJson } from '../src/files/index.ts'
import { resolveModel } from '../src/hub/index.ts'
import { trainFromStore } from '../src/jobs/index.ts'
import { expandHooks, type Model, openModel } from '../src/model/index.ts'
import { readMeasured, writePlots } from '../src/plots/disk.ts'
import { type PlottedSae, suitePlots } from '../src/plots/index.ts'
import { listSuite, loadSae, readMetrics, writeMetrics } from '../src/sae/disk.ts'
import { openRunner, type SaeEntry, type SaeRunner } from '../src/sae/index.ts'
import { ARCHITECTURE_NAMES, type ArchitectureName } from '../src/train/index.ts'

export type FrontierSettings = {
  readonly out: string
  /** Text; a share of its documents is held out. */
  readonly data: readonly string[]
  /** Where the store lies; `<out>/activations` where absent. */
  readonly store?: string
  readonly hooks: readonly string[]
  readonly architectures: readonly ArchitectureName[]
  readonly l0: readonly number[]
  readonly d_sae: number
  readonly n_tokens: number
  readonly eval_tokens: number
  readonly batch_size: number
  readonly seed: number
  readonly threads: number
}

/** One SAE, as measured on held-out text. */
export type FrontierRow = {
  readonly architecture: ArchitectureName
  readonly hook: string
  readonly d_sae: number
  readonly l0_target: number
  readonly l0: number
  readonly fvu: number | undefined
  readonly delta_ce_loss: number | undefined
  readonly dead: number
}

type Say = (message: string, share?: number, remaining_ms?: number) => void

const MODEL = 'thimble-5m'
const HELD_OUT = 0.05

/**
 * Captures, trains and measures what is not there yet, and writes `<out>/frontier.json`.
 * @returns a row for each SAE, in the order of the settings; one whose training failed has none.
 * @throws as `writeStore`, `trainFromStore` and `evaluateSuite`; TrainingStopped or the signal's reason when it aborts.
 */
export async function measureFrontier(
  settings: FrontierSettings,
  { signal, say = () => {} }: { signal: AbortSignal; say?: Say },
): Promise<FrontierRow[]> {
  const { out, data, store = join(out, 'activations'), threads, ...rest } = settings
  const { architectures, seed } = settings
  const model = await openModel(MODEL, { threads })
  try {
    const corpus = await readCorpus(data, model.tokenizer!, { n_ctx: model.config.n_ctx, signal })
    const { train, held_out } = splitCorpus(corpus, { held_out: HELD_OUT, seed })
    await captureOnce(store, model, train, settings, { signal, say })
    const rows: FrontierRow[] = []
    for (const architecture of architectures) {
      const suite = join(out, architecture)
      await trainOnce(suite, store, architecture, settings, { signal, say })
      const entries = await listSuite(suite)
      await evaluateOnce(entries, model, held_out, settings, {
        signal,
        say: (message, share) => say(`${architecture}: ${message}`, share),
      })
      for (const { hook, d_sae, l0: l0_target, path } of entries) {
        const { l0, fvu, delta_ce_loss, dead } = (await readMetrics(path))!
        rows.push({ architecture, hook, d_sae, l0_target, l0, fvu, delta_ce_loss, dead })
      }
    }
    await writeJson(join(out, 'frontier.json'), {
      model: { name: model.name, hash: model.hash },
      corpus: { files: data.map((path) => basename(path)), hash: corpus.hash },
      settings: rest,
      rows,
    })
    return rows
  } finally {
    await model.close()
  }
}

async function captureOnce(
  store: string,
  model: Model,
  train: TokenCorpus,
  { hooks, n_tokens, seed }: FrontierSettings,
  { signal, say }: { signal: AbortSignal; say: Say },
): Promise<void> {
  await writeStore(store, model, sampleCorpus(train, { n_tokens, seed }), {
    hooks: expandHooks(hooks, model.hooks),
    dtype: 'F16',
    model_path: MODEL,
    signal,
    onProgress: (p) =>
      say(`capturing: ${p.n_tokens} of ${p.of_tokens} tokens`, p.n_tokens / p.of_tokens),
  })
  signal.throwIfAborted()
}

async function trainOnce(
  out: string,
  store: string,
  architecture: ArchitectureName,
  { hooks, d_sae, l0, n_tokens, eval_tokens, batch_size, seed, threads }: FrontierSettings,
  { signal, say }: { signal: AbortSignal; say: Say },
): Promise<void> {
  await trainFromStore(
    {
      ...{ store, out, hooks, d_sae: [d_sae], l0, n_tokens, eval_tokens },
      ...{ batch_size, seed, threads, recipe: { architecture } },
    },
    {
      signal,
      report: (event) => {
        if (event.type === 'progress')
          say(`${architecture}: ${event.message}`, event.progress, event.remaining_ms)
      },
    },
  )
}

/** Writes metrics.json beside each SAE that has none for this text and number of tokens. */
async function evaluateOnce(
  entries: readonly SaeEntry[],
  model: Model,
  held_out: TokenCorpus,
  { eval_tokens, threads }: FrontierSettings,
  { signal, say }: { signal: AbortSignal; say: Say },
): Promise<void> {
  const { n_tokens } = planCapture(held_out, specialIds(model), { n_tokens: eval_tokens })
  const runners = new Map<SaeRunner, string>()
  try {
    for (const { path } of entries) {
      const found = await readMetrics(path)
      if (found?.corpus_hash === held_out.hash && found.n_tokens === n_tokens) continue
      runners.set(await openRunner(await loadSae(path), { threads }), path)
    }
    if (runners.size === 0) return
    const metrics = await evaluateSuite(model, [...runners.keys()], held_out, {
      n_tokens: eval_tokens,
      signal,
      onProgress: ({ n_done, n_total }) => say('evaluating', n_done / n_total),
    })
    for (const [runner, path] of runners) await writeMetrics(path, metrics.get(runner)!)
  } finally {
    for (const runner of runners.keys()) await runner.close()
  }
}

const numbers = (text: string): number[] => text.split(',').map(Number)

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      ...{ out: text, store: text, architectures: text, threads: { ...text, default: '2' } },
      hooks: { ...text, default: 'blocks.4.hook_resid_post' },
      l0: { ...text, default: '8,16,32,64,128' },
      width: { ...text, default: '2048' },
      tokens: { ...text, default: '1000000' },
      'eval-tokens': { ...text, default: '20000' },
      batch: { ...text, default: '1024' },
      seed: { ...text, default: '0' },
    },
  })
  if (values.out === undefined)
    throw new TypeError('frontier: needs --out, the folder for the suites and frontier.json.')
  const known = new Set<string>(ARCHITECTURE_NAMES)
  const names = values.architectures?.split(',') ?? [...ARCHITECTURE_NAMES]
  const unknown = names.filter((name) => !known.has(name))
  if (unknown.length > 0)
    throw new TypeError(
      `frontier: there is no architecture ${unknown.join(', ')}; there are ${ARCHITECTURE_NAMES.join(', ')}.`,
    )
  const folder = await resolveModel(MODEL)
  const settings: FrontierSettings = {
    out: resolve(values.out),
    data: ['anthology.txt', 'samples.txt.gz'].map((file) => join(folder, file)),
    ...(values.store === undefined ? {} : { store: resolve(values.store) }),
    hooks: values.hooks.split(/,(?![^{]*\})/),
    architectures: ARCHITECTURE_NAMES.filter((name) => names.includes(name)),
    l0: numbers(values.l0),
    d_sae: Number(values.width),
    n_tokens: Number(values.tokens),
    eval_tokens: Number(values['eval-tokens']),
    batch_size: Number(values.batch),
    seed: Number(values.seed),
    threads: Number(values.threads),
  }
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort())
  const progress = openProgress()
  const rows = await measureFrontier(settings, {
    signal: stop.signal,
    say: progress.update,
  }).finally(() => progress.clear())
  const head = ['architecture', 'site', 'latents', 'L0 asked', 'L0', 'FVU', 'delta loss', 'dead']
  const lines = rows.map((row) => [
    ...[row.architecture, row.hook, row.d_sae, row.l0_target, row.l0.toFixed(1)],
    ...[row.fvu?.toFixed(4), row.delta_ce_loss?.toFixed(4), `${(100 * row.dead).toFixed(1)} %`],
  ])
  console.log(renderTable(head, lines))
  const measured: PlottedSae[] = []
  for (const architecture of settings.architectures)
    measured.push(...(await readMeasured(join(settings.out, architecture))))
  const paths = await writePlots(join(settings.out, 'plots'), suitePlots(measured))
  console.log(`plots: ${paths.join(', ')}`)
}

if (import.meta.main) await main()
