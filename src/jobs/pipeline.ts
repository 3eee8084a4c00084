/**
 * The whole way from text to labelled latents, as one function.
 *
 * 1. plan      open the model, expand the globs, write suite.json
 * 2. capture   activations of the training text at every site, into a store on disk
 * 3. train     every SAE from one pass over the store
 * 4. evaluate  each SAE on held-out documents
 * 5. index     what every latent does, one pass over the text for all SAEs
 * 6. label     a lexical label for every latent that fires
 *
 * Run again, it goes on where it stopped: what lies on disk is not made twice. An abort leaves what is there.
 */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import {
  openActivations,
  readCorpus,
  splitCorpus,
  type TokenCorpus,
  writeStore,
} from '../activations/index.ts'
import { evaluateSuite } from '../evaluate/index.ts'
import { makeFolder, removePath, resolveModel } from '../files/index.ts'
import { lexicalLabel } from '../label/index.ts'
import { LATENTS_FILE, openLatents, saveLatents } from '../latents/disk.ts'
import { indexLatents } from '../latents/index.ts'
import { expandHooks, type Model, openModel, type Tokenizer } from '../model/index.ts'
import { loadSae, writeMetrics } from '../sae/disk.ts'
import { openRunner, type SaeRunner, saeFolder } from '../sae/index.ts'
import { type SaeSpec, train } from '../train/index.ts'
import type { PipelineConfig, PipelineEvent, Stage } from './config.ts'
import { LABELS_FILE, writeLabelsFile } from './labelsFile.ts'
import { writePieces } from './pieces.ts'
import { RunProgress } from './progress.ts'
import { firstSentences, readSuiteFile, type SuiteFile, writeSuiteFile } from './suiteFile.ts'
import { packageVersion } from './version.ts'

export type PipelineOptions = {
  /** Called often; must not throw. */
  readonly report?: (event: PipelineEvent) => void
  /** Stops at the next safe point: checkpoints are written, `signal.reason` is thrown. */
  readonly signal?: AbortSignal
}

/** What every stage works with. */
type Run = {
  readonly config: PipelineConfig
  readonly model: Model
  readonly tokenizer: Tokenizer
  readonly saes: readonly SaeSpec[]
  readonly training: TokenCorpus
  readonly held_out: TokenCorpus
  readonly say: (stage: Stage, message: string, share: number) => void
  readonly report: (event: PipelineEvent) => void
  readonly signal: AbortSignal
}

/**
 * Runs the stages of a suite that are not done yet.
 * @returns suite.json's content.
 * @throws RangeError if the folder holds a suite made with other settings; AbortError when stopped.
 */
export async function runPipeline(
  config: PipelineConfig,
  { report = () => {}, signal = new AbortController().signal }: PipelineOptions = {},
): Promise<SuiteFile> {
  const progress = new RunProgress()
  const model = await openModel(resolveModel(config.model), { threads: config.threads })
  try {
    // 1. plan
    const { tokenizer } = model
    if (!tokenizer)
      throw new TypeError(
        `${model.name} has no tokenizer.json, so text cannot be read; put one there`,
      )
    report({ type: 'progress', stage: 'capture', message: 'reading the text', progress: 0 })
    const corpus = await readCorpus(config.data, tokenizer, { n_ctx: model.config.n_ctx, signal })
    const { train: training, held_out } = splitCorpus(corpus, {
      held_out: config.held_out,
      seed: config.seed,
    })
    const suite = await planSuite(config, model, corpus, held_out)
    report({ type: 'suite', change: 'planned' })
    const run: Run = {
      config,
      model,
      tokenizer,
      saes: suite.saes.map(({ hook, d_sae, l0 }) => ({ hook, d_sae, l0 })),
      training,
      held_out,
      say: (stage, message, share) =>
        report({ type: 'progress', stage, message, ...progress.at(stage, share) }),
      report,
      signal,
    }

    // 2. capture, 3. train
    if (lacking(run, 'cfg.json').length > 0) {
      await captureStage(run)
      await trainStage(run)
    } else {
      progress.skip('capture')
      progress.skip('train')
    }
    if (config.keep_activations !== true) await removePath(activationsFolder(config.out))

    // 4. evaluate
    if (lacking(run, 'metrics.json').length > 0) await evaluateStage(run)
    else progress.skip('evaluate')

    // 5. index
    if (lacking(run, LATENTS_FILE).length > 0) await indexStage(run)
    else progress.skip('index')

    // 6. label
    if (lacking(run, LABELS_FILE).length > 0) await labelStage(run)
    else progress.skip('label')

    report({ type: 'progress', stage: 'label', message: 'done', progress: 1, remaining_ms: 0 })
    return suite
  } finally {
    await model.close()
  }
}

/** Writes suite.json, or holds the one that is there against the settings. */
async function planSuite(
  config: PipelineConfig,
  model: Model,
  corpus: TokenCorpus,
  held_out: TokenCorpus,
): Promise<SuiteFile> {
  const saes = expandHooks(config.hooks, model.hooks).flatMap((hook) =>
    config.d_sae.flatMap((d_sae) =>
      config.l0.map((l0) => ({ hook, d_in: model.width(hook), d_sae, l0 })),
    ),
  )
  const found = await readSuiteFile(config.out)
  if (found) {
    const settings = { ...recorded(config), model_hash: model.hash, data_hash: corpus.hash }
    const before = { ...found.config, model_hash: found.model.hash, data_hash: found.data_hash }
    for (const [key, value] of Object.entries(settings)) {
      const was = JSON.stringify(before[key as keyof typeof before])
      if (was !== JSON.stringify(value))
        throw new RangeError(
          `${config.out}: this suite was begun with ${key} ${was}, now asked for ${JSON.stringify(value)}. Give the same settings to go on, or another folder to start anew.`,
        )
    }
    return found
  }
  const suite: SuiteFile = {
    name: basename(config.out),
    model: { name: model.name, path: config.model, hash: model.hash },
    data_hash: corpus.hash,
    config: recorded(config),
    version: packageVersion(),
    created: new Date().toISOString(),
    saes,
    ...sampleOf(held_out, model.tokenizer!),
  }
  await makeFolder(config.out)
  await writePieces(config.out, model.tokenizer!.pieces)
  await writeSuiteFile(config.out, suite)
  return suite
}

/** The settings that decide what comes out: a resumed run must have the same. */
function recorded(config: PipelineConfig): Record<string, unknown> {
  const { out: _out, threads: _threads, keep_activations: _keep, ...rest } = config
  return {
    ...rest,
    data: rest.data.map((path) => basename(path)),
    ...(rest.index_data ? { index_data: rest.index_data.map((path) => basename(path)) } : {}),
  }
}

function sampleOf(corpus: TokenCorpus, tokenizer: Tokenizer): { sample_text?: string } {
  if (corpus.doc_start.length < 2) return {}
  const ids = corpus.ids.slice(corpus.doc_start[0]! + 1, corpus.doc_start[1]!)
  const text = firstSentences(tokenizer.detokenize(ids))
  return text === '' ? {} : { sample_text: text }
}

async function captureStage(run: Run): Promise<void> {
  const { config, model, training, saes, signal, say } = run
  say('capture', `capturing ${count(training.ids.length)} tokens`, 0)
  await writeStore(activationsFolder(config.out), model, training, {
    hooks: [...new Set(saes.map((sae) => sae.hook))],
    dtype: config.dtype,
    ...(config.capture_tokens === undefined ? {} : { n_tokens: config.capture_tokens }),
    signal,
    onProgress: ({ n_tokens, of_tokens }) =>
      say(
        'capture',
        `capturing: ${count(n_tokens)} of ${count(of_tokens)} tokens`,
        n_tokens / of_tokens,
      ),
  })
}

async function trainStage(run: Run): Promise<void> {
  const { config, model, saes, signal, say, report } = run
  say('train', `training ${saes.length} SAEs`, 0)
  const source = await openActivations(activationsFolder(config.out))
  try {
    await train({
      source,
      saes,
      out: config.out,
      batch_size: config.batch_size,
      n_tokens: config.n_tokens,
      seed: config.seed,
      threads: config.threads,
      ...(config.recipe ? { recipe: config.recipe } : {}),
      model_metadata: { model_name: model.name, model_hash: model.hash },
      signal,
      onPoint: ({ step, n_steps, points }) => {
        say('train', `training: step ${step} of ${n_steps}`, step / n_steps)
        report({ type: 'points', points })
      },
    })
  } finally {
    await source.close()
  }
  for (const spec of saes) report({ type: 'suite', change: 'trained', spec })
}

async function evaluateStage(run: Run): Promise<void> {
  const { config, model, held_out, signal, say, report } = run
  const specs = lacking(run, 'metrics.json')
  say('evaluate', `evaluating ${specs.length} SAEs on held-out text`, 0)
  await withRunners(run, specs, async (runners) => {
    const metrics = await evaluateSuite(model, [...runners.keys()], held_out, {
      n_tokens: config.eval_tokens,
      signal,
      onProgress: ({ n_done, n_total }) =>
        say('evaluate', `evaluating: ${percent(n_done / n_total)}`, n_done / n_total),
    })
    for (const [runner, spec] of runners) {
      await writeMetrics(folderOf(run, spec), metrics.get(runner)!)
      report({ type: 'suite', change: 'evaluated', spec })
    }
  })
}

async function indexStage(run: Run): Promise<void> {
  const { config, model, tokenizer, signal, say, report } = run
  const specs = lacking(run, LATENTS_FILE)
  say('index', `indexing the latents of ${specs.length} SAEs`, 0)
  const corpus = await readCorpus(config.index_data ?? config.data, tokenizer, {
    n_ctx: model.config.n_ctx,
    signal,
  })
  await withRunners(run, specs, async (runners) => {
    const indices = await indexLatents(model, [...runners.keys()], corpus, {
      ...(config.index_tokens === undefined ? {} : { n_tokens: config.index_tokens }),
      signal,
      threads: config.threads,
      onProgress: ({ stage, done, of }) =>
        stage === 'reading'
          ? say('index', `indexing: ${count(done)} of ${count(of)} tokens`, (0.9 * done) / of)
          : say('index', 'indexing: comparing directions', 0.9 + (0.1 * done) / of),
    })
    for (const [runner, spec] of runners) {
      await saveLatents(folderOf(run, spec), indices.get(runner)!)
      report({ type: 'suite', change: 'indexed', spec })
    }
  })
}

async function labelStage(run: Run): Promise<void> {
  const { tokenizer, signal, say, report } = run
  const specs = lacking(run, LABELS_FILE)
  for (const [n, spec] of specs.entries()) {
    say('label', `labelling ${spec.hook}`, n / specs.length)
    const latents = await openLatents(folderOf(run, spec))
    try {
      const labels = []
      for (let latent = 0; latent < latents.d_sae; latent++) {
        if (latent % 256 === 0) signal.throwIfAborted()
        const label = lexicalLabel(await latents.record(latent), { pieces: tokenizer.pieces })
        if (label) labels.push({ latent, text: label.text, evidence: label.evidence })
      }
      await writeLabelsFile(folderOf(run, spec), {
        method: 'lexical',
        author: 'hooke lexical',
        labels,
      })
    } finally {
      await latents.close()
    }
    report({ type: 'suite', change: 'labelled', spec })
  }
}

/** SAEs of the plan whose folder lacks a file. */
const lacking = (run: Run, file: string): SaeSpec[] =>
  run.saes.filter((spec) => !existsSync(join(folderOf(run, spec), file)))

const folderOf = ({ config }: Pick<Run, 'config'>, { hook, d_sae, l0 }: SaeSpec): string =>
  saeFolder(config.out, hook, d_sae, l0)

const activationsFolder = (suite: string): string => join(suite, 'activations')

async function withRunners(
  run: Run,
  specs: readonly SaeSpec[],
  use: (runners: ReadonlyMap<SaeRunner, SaeSpec>) => Promise<void>,
): Promise<void> {
  const runners = new Map<SaeRunner, SaeSpec>()
  try {
    for (const spec of specs) {
      const sae = await loadSae(folderOf(run, spec))
      runners.set(await openRunner(sae, { threads: run.config.threads }), spec)
    }
    await use(runners)
  } finally {
    for (const runner of runners.keys()) await runner.close()
  }
}

const count = (n: number): string => n.toLocaleString('en')
const percent = (share: number): string => `${Math.floor(share * 100)} %`
