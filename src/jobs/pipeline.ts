/**
 * The whole way from text to labelled latents, as one function.
 *
 * 1. plan      open the model, expand the globs, write suite.json
 * 2. capture   activations of the training text at every site, into a store on disk; a stream captures while it trains
 * 3. train     every SAE from one pass over them
 * 4. evaluate  each SAE on held-out documents
 * 5. index     what every latent does, one pass over the text for all SAEs
 * 6. label     a lexical label for every latent
 *
 * Run again, it goes on where it stopped: what lies on disk is not made twice. An abort leaves what is there.
 */
import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openActivations, planCapture, type TokenCorpus, writeStore } from '../activations/index.ts'
import { evaluateSuite } from '../evaluate/index.ts'
import { type PullProgress, renderPull, resolveModel } from '../hub/index.ts'
import { LEXICAL_AUTHOR, lexicalLabel, wordBackground } from '../label/index.ts'
import { LATENTS_FILE, openLatents, saveLatents } from '../latents/disk.ts'
import { indexLatents, latentRecord } from '../latents/index.ts'
import { type Model, openModel, type Tokenizer } from '../model/index.ts'
import { loadSae, readMetrics, writeMetrics } from '../sae/disk.ts'
import { openRunner, type SaeRunner, saeFolder } from '../sae/index.ts'
import type { SaeSpec } from '../train/index.ts'
import type { PipelineConfig, PipelineEvent, Stage } from './config.ts'
import { readFailure } from './failure.ts'
import { heldModel, WorkClock } from './hold.ts'
import { LABELS_FILE, type LabelsFile, writeLabelsFile } from './labelsFile.ts'
import { BATCH_TOKENS } from './memory.ts'
import { checkBegun, openTexts, planSuite, sitesOf, specOf, type Texts, withBegun } from './plan.ts'
import { RunProgress } from './progress.ts'
import { openRestingModel, type RestingModel } from './restingModel.ts'
import { planTraining, type RunPlan, settleTraining, type Training } from './runPlan.ts'
import { readSuiteFile, type SuiteFile } from './suiteFile.ts'
import { openSuiteStream } from './suiteStream.ts'
import { activationsFolder, sweepSuite, sweepTrained } from './sweep.ts'
import { isTrained, trainSaes } from './trainStage.ts'

export type PipelineOptions = {
  /** Only these; a stage named here is also made again where it was made from other text or another number of tokens. */
  readonly stages?: readonly Stage[]
  /** Given before anything is written, where something is to be trained; its making takes a moment. */
  readonly onPlan?: (plan: RunPlan) => void
  /** Called often; must not throw. */
  readonly report?: (event: PipelineEvent) => void
  /** Stops at the next safe point: checkpoints are written, the abort is thrown. */
  readonly signal?: AbortSignal
  /** Awaited between the pieces of work of every stage where it gives a promise: the run is paused until that resolves. */
  readonly hold?: () => Promise<void> | undefined
}

/** What every stage works with. */
type Run = {
  readonly config: PipelineConfig
  readonly model: Model
  /** Lets go of the model's weights until its next pass. */
  readonly rest: () => Promise<void>
  readonly tokenizer: Tokenizer
  readonly suite: SuiteFile
  readonly saes: readonly SaeSpec[]
  readonly texts: Texts
  readonly say: (stage: Stage, message: string, share: number) => void
  readonly report: (event: PipelineEvent) => void
  readonly signal: AbortSignal
  readonly hold: () => Promise<void> | undefined
}

/** Whether an SAE's part of a stage is done, as far as its folder tells. */
type IsDone = (folder: string) => Promise<boolean>

/**
 * Runs the stages of a suite that are not done yet.
 * @returns suite.json's content.
 * @throws RangeError if the folder holds a suite begun with other settings or text; TypeError if the model has no tokenizer;
 *   TrainingStopped or AbortError when stopped.
 */
export async function runPipeline(
  asked: PipelineConfig,
  options: PipelineOptions = {},
): Promise<SuiteFile> {
  const { report = () => {}, signal = new AbortController().signal } = options
  const clock = new WorkClock(options.hold ?? (() => undefined))
  const { hold } = clock
  const progress = new RunProgress(clock.now)
  const say = (stage: Stage, message: string, share: number): void =>
    report({ type: 'progress', stage, message, ...progress.at(stage, share) })
  say('capture', 'opening the model', 0)
  const begun = await readSuiteFile(asked.out)
  let config = withBegun(asked, begun)
  const resting = await openConfigured(config, signal, (progress) =>
    say('capture', renderPull(progress), 0),
  )
  const model = heldModel(resting, hold)
  try {
    // 1. plan
    const tokenizer = tokenizerOf(model)
    const texts = openTexts(config, { n_ctx: model.config.n_ctx, tokenizer }, signal, (n_tokens) =>
      say('capture', `reading the text: ${n_tokens.toLocaleString('en')} tokens`, 0),
    )
    say('capture', 'reading the text', 0)
    let suite = begun && (await planSuite(config, model, texts))
    const isAsked = (stage: Stage): boolean => options.stages?.includes(stage) ?? true
    let training: Training | undefined
    if (isAsked('train') && !(begun && (await isTrained(config.out, begun.saes)))) {
      training = await settleTraining(config, model, texts, begun)
      options.onPlan?.(await planTraining(training, model))
      config = training.settled.config
    }
    suite ??= await planSuite(config, model, texts)
    await sweepSuite(config.out, suite)
    report({ type: 'suite', change: 'planned' })
    const saes = suite.saes.map(specOf)
    const { rest } = resting
    const run: Run = {
      config,
      model,
      rest,
      tokenizer,
      suite,
      saes,
      texts,
      say,
      report,
      signal,
      hold,
    }

    /** SAEs that a stage has still to deal with; none where it was not asked for. */
    const pending = async (stage: Stage, isDone: IsDone): Promise<SaeSpec[]> => {
      const left: SaeSpec[] = []
      if (isAsked(stage))
        for (const spec of saes)
          if (!(await isDone(folderOf(run, spec))) && !(await hasFailed(run, spec))) left.push(spec)
      if (left.length === 0) progress.skip(stage)
      return left
    }
    const named = options.stages !== undefined

    // 2. capture, 3. train
    if (training === undefined) {
      progress.skip('capture')
      progress.skip('train')
      if (isAsked('train')) await sweepTrained(config.out, config)
    } else if (config.stream === true) await streamStage(run, training)
    else {
      await captureStage(run, training)
      await trainStage(run, training)
      await sweepTrained(config.out, config)
    }

    // 4. evaluate
    const unmeasured = await pending('evaluate', named ? evaluatedOn(run) : has('metrics.json'))
    if (unmeasured.length > 0) await evaluateStage(run, unmeasured)

    // 5. index
    const unindexed = await pending('index', named ? indexedOn(run) : has(LATENTS_FILE))
    if (unindexed.length > 0) await indexStage(run, unindexed)

    // 6. label
    const unlabelled = await pending('label', labelledSinceIndexed)
    if (unlabelled.length > 0) await labelStage(run, unlabelled)

    report({ type: 'progress', stage: 'label', message: 'done', progress: 1, remaining_ms: 0 })
    return suite
  } finally {
    await model.close()
  }
}

/** What `runPipeline` would do, without writing anything. @throws as it, before it writes. */
export async function planPipeline(
  asked: PipelineConfig,
  { signal = new AbortController().signal }: { signal?: AbortSignal } = {},
): Promise<RunPlan> {
  const begun = await readSuiteFile(asked.out)
  const config = withBegun(asked, begun)
  const model = await openConfigured(config, signal)
  try {
    const { n_ctx } = model.config
    const texts = openTexts(config, { n_ctx, tokenizer: tokenizerOf(model) }, signal)
    if (begun) checkBegun(config, begun, model)
    return await planTraining(await settleTraining(config, model, texts, begun), model)
  } finally {
    await model.close()
  }
}

/** A name of the Hub is resolved once: every opening of a run has the same files. */
async function openConfigured(
  { model, weights, threads }: PipelineConfig,
  signal: AbortSignal,
  onProgress?: (progress: PullProgress) => void,
): Promise<RestingModel> {
  const path = await resolveModel(model, { signal, onProgress })
  return openRestingModel(() => openModel(path, { threads, ...(weights && { weights }) }))
}

/** @throws TypeError if the model has none. */
function tokenizerOf({ name, tokenizer }: Model): Tokenizer {
  if (tokenizer) return tokenizer
  throw new TypeError(
    `${name} has no tokenizer.json, so text cannot be read. Put the model's tokenizer.json into its folder.`,
  )
}

async function captureStage(run: Run, { corpus, settled }: Training): Promise<void> {
  const { config, model, saes, signal, say } = run
  await writeStore(activationsFolder(config.out), model, corpus, {
    hooks: sitesOf(saes),
    dtype: config.dtype,
    model_path: config.model,
    shard_tokens: settled.sizes.shard_tokens,
    batch_tokens: BATCH_TOKENS,
    signal,
    onProgress: ({ n_tokens, of_tokens }) =>
      say('capture', `capturing: ${countOf(n_tokens, of_tokens)}`, n_tokens / of_tokens),
  })
  // A store that was whole already has nothing to stop at.
  signal.throwIfAborted()
}

async function trainStage(run: Run, { settled }: Training): Promise<void> {
  const { config, model, saes, signal, hold, say, report } = run
  await run.rest()
  const memory_bytes = settled.sizes.activation_bytes
  const store = await openActivations(activationsFolder(config.out), { memory_bytes })
  try {
    const sayTraining = (message: string, share: number): void => say('train', message, share)
    await trainSaes(store, model, saes, config, { signal, hold, say: sayTraining, report })
  } finally {
    await store.close()
  }
}

/** Capture and training together: the capturing thread has a model of its own. */
async function streamStage(run: Run, { corpus, settled }: Training): Promise<void> {
  const { config, model, saes, signal, hold, say, report } = run
  await run.rest()
  let share = 0
  const stream = await openSuiteStream(model, corpus, config, {
    hooks: sitesOf(saes),
    bucket_tokens: settled.sizes.bucket_tokens,
    signal,
    onCapture({ what, n_tokens, of_tokens }) {
      if (share > 0) return
      const doing = what === 'norms' ? 'measuring the norms' : 'capturing the first bucket'
      say('capture', `${doing}: ${countOf(n_tokens, of_tokens)}`, n_tokens / of_tokens / 2)
    },
  })
  try {
    await trainSaes(stream, model, saes, config, {
      signal,
      hold,
      say(message, done) {
        share = done
        if (share > 0) say('train', message, share)
      },
      report,
    })
  } finally {
    await stream.close()
  }
}

async function evaluateStage(run: Run, specs: readonly SaeSpec[]): Promise<void> {
  const { config, model, texts, signal, say, report } = run
  say('evaluate', `evaluating ${specs.length} SAEs on held-out text`, 0)
  const corpus = await texts.evaluation()
  await withRunners(run, specs, async (runners) => {
    const metrics = await evaluateSuite(model, [...runners.keys()], corpus, {
      n_tokens: config.eval_tokens,
      ...(config.importance_tokens === undefined
        ? {}
        : { importance_tokens: config.importance_tokens }),
      threads: config.threads,
      signal,
      onProgress: ({ n_done, n_total }) =>
        say('evaluate', `evaluating: ${Math.floor((100 * n_done) / n_total)} %`, n_done / n_total),
    })
    for (const [runner, spec] of runners) {
      await writeMetrics(folderOf(run, spec), metrics.get(runner)!)
      report({ type: 'suite', change: 'evaluated', spec })
    }
  })
}

async function indexStage(run: Run, specs: readonly SaeSpec[]): Promise<void> {
  const { config, model, texts, signal, say, report } = run
  say('index', `indexing the latents of ${specs.length} SAEs`, 0)
  const corpus = await texts.examples()
  await withRunners(run, specs, async (runners) => {
    const indices = await indexLatents(model, [...runners.keys()], corpus, {
      ...(config.index_tokens === undefined ? {} : { n_tokens: config.index_tokens }),
      threads: config.threads,
      signal,
      onProgress: ({ stage, done, of }) =>
        stage === 'reading'
          ? say('index', `indexing: ${countOf(done, of)}`, (0.9 * done) / of)
          : say('index', 'indexing: comparing directions', 0.9 + (0.1 * done) / of),
    })
    for (const [runner, spec] of runners) {
      await saveLatents(folderOf(run, spec), indices.get(runner)!)
      report({ type: 'suite', change: 'indexed', spec })
    }
  })
}

async function labelStage(run: Run, specs: readonly SaeSpec[]): Promise<void> {
  const { texts, tokenizer, signal, hold, say, report } = run
  const { pieces } = tokenizer
  const background = wordBackground(documentsOf(await texts.examples()), pieces)
  for (const [n, spec] of specs.entries()) {
    say('label', `labelling ${spec.hook}`, n / specs.length)
    const latents = await openLatents(folderOf(run, spec))
    const { info, columns } = await latents.read().finally(() => latents.close())
    const { d_sae, n_tokens } = info
    const labels: LabelsFile['labels'] = []
    for (let latent = 0; latent < d_sae; latent++) {
      if (latent % 256 === 0) {
        await hold()
        signal.throwIfAborted()
      }
      const record = latentRecord(info, columns, latent)
      labels.push({ latent, ...lexicalLabel(record, { pieces, background, n_tokens }) })
    }
    await writeLabelsFile(folderOf(run, spec), {
      method: 'lexical',
      author: LEXICAL_AUTHOR,
      labels,
    })
    report({ type: 'suite', change: 'labelled', spec })
  }
}

const has =
  (file: string): IsDone =>
  async (folder) =>
    existsSync(join(folder, file))

/** Measured on the text and numbers of tokens that are asked for, by a version that measures what this one does. */
const evaluatedOn =
  ({ config, tokenizer, texts }: Run): IsDone =>
  async (folder) => {
    const metrics = await readMetrics(folder)
    if (metrics?.by_position === undefined) return false
    const { importance_tokens = metrics.uniformity_tokens ?? 0 } = config
    if (importance_tokens !== (metrics.uniformity_tokens ?? 0)) return false
    const corpus = await texts.evaluation()
    return (
      metrics.corpus_hash === corpus.hash &&
      metrics.n_tokens === countable(corpus, tokenizer, config.eval_tokens)
    )
  }

/** Indexed on the text and number of tokens that are asked for. */
const indexedOn =
  ({ config, tokenizer, texts }: Run): IsDone =>
  async (folder) => {
    if (!existsSync(join(folder, LATENTS_FILE))) return false
    const corpus = await texts.examples()
    const latents = await openLatents(folder)
    await latents.close()
    return (
      latents.info.corpus_hash === corpus.hash &&
      latents.n_tokens === countable(corpus, tokenizer, config.index_tokens)
    )
  }

/** Labels are cheap: they are made again whenever the index was. */
const labelledSinceIndexed: IsDone = async (folder) => {
  const [labels, latents] = [join(folder, LABELS_FILE), join(folder, LATENTS_FILE)]
  if (!existsSync(labels)) return false
  return !existsSync(latents) || (await stat(labels)).mtimeMs >= (await stat(latents)).mtimeMs
}

const hasFailed = async (run: Run, spec: SaeSpec): Promise<boolean> =>
  (await readFailure(folderOf(run, spec))) !== undefined

const countable = (corpus: TokenCorpus, tokenizer: Tokenizer, n_tokens?: number): number =>
  planCapture(corpus, tokenizer.special_ids, n_tokens === undefined ? {} : { n_tokens }).n_tokens

function* documentsOf({ ids, doc_start }: TokenCorpus): Generator<Int32Array> {
  for (let doc = 0; doc + 1 < doc_start.length; doc++)
    yield ids.subarray(doc_start[doc], doc_start[doc + 1])
}

const folderOf = ({ config }: Pick<Run, 'config'>, { hook, d_sae, l0 }: SaeSpec): string =>
  saeFolder(config.out, hook, d_sae, l0)

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

const countOf = (n: number, of: number): string =>
  `${n.toLocaleString('en')} of ${of.toLocaleString('en')} tokens`
