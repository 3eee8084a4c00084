/** The inference thread: has models and SAEs open, answers calls one model pass at a time. Started by inference.ts only. */
import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { effectHistogram, whyNoLogits } from '../latents/index.ts'
import { countParameters, type Model } from '../model/index.ts'
import { outputSite, parseHookName } from '../sae/index.ts'
import { modelsCompared, promptsCompared } from './compare.ts'
import { depthOf } from './depth.ts'
import type {
  CallKind,
  FromInference,
  InferenceCalls,
  InferenceStreams,
  ModelInfo,
  StreamKind,
  ToInference,
} from './inferenceProtocol.ts'
import { runExamples } from './latentExamples.ts'
import { microscope, testLatent } from './microscope.ts'
import type { ModelName } from './openModels.ts'
import { contrastSearch, textSearch, vectorSearch } from './searchSuite.ts'
import { openSteering, openSweep } from './steering.ts'
import { type ModelSettings, Workbench } from './workbench.ts'

const port = parentPort
if (port === null) throw new Error('server/inferenceWorker.ts runs as a worker thread only')
const send = (message: FromInference): void => port.postMessage(message)
const bench = new Workbench(workerData as ModelSettings)
const running = new Map<number, AbortController>()

/** Calls take turns: there is one pass at a time. Streams give up their turn after every item, such as a token. */
let turn: Promise<unknown> = Promise.resolve()
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const mine = turn.then(work)
  turn = mine.catch(() => {})
  return mine
}

const answers: {
  [K in CallKind]: (
    request: InferenceCalls[K]['request'],
    signal: AbortSignal,
  ) => Promise<InferenceCalls[K]['answer']>
} = {
  async describe({ model: name }) {
    return describeModel(await bench.model(name))
  },

  async microscope({ suite, ...options }, signal) {
    const model = await bench.model(suite.model)
    const sites = await Promise.all(
      suite.saes.map(async ({ id, hook, dir }) => ({
        id,
        hook: parseHookName(hook, dir),
        ...(await bench.outputOf(dir)),
        open: () => bench.sae(dir, model),
      })),
    )
    return microscope(model, sites, { ...options, signal })
  },

  async depth({ model, text, token }, signal) {
    return depthOf(await bench.model(model), { text, token, signal })
  },

  async effects({ model: name, dir, latent }) {
    const model = await bench.model(name)
    const { sae } = (await bench.sae(dir, model)).runner
    const absent = whyNoLogits(sae, model.config.d_model)
    if (absent !== undefined) return { absent }
    const { d } = outputSite(sae)
    const row = sae.W_dec.subarray(latent * d, (latent + 1) * d)
    return { histogram: effectHistogram(await model.unembedding(), row) }
  },

  async examples({ model: name, dir, latent, passages }, signal) {
    const model = await bench.model(name)
    const { runner, measured } = await bench.sae(dir, model)
    if (!measured) throw new RangeError(`${runner.sae.hook_name} is not indexed yet`)
    return runExamples(model, runner, { latent, passages, density: measured.density, signal })
  },

  async test({ model: name, dir, latent, text }, signal) {
    const model = await bench.model(name)
    const { runner } = await bench.sae(dir, model)
    return testLatent(model, runner, { latent, text, signal })
  },

  comparePrompts: (request, signal) => promptsCompared(bench, request, signal),

  textSearch: (request, signal) => textSearch(bench, request, signal),
  vectorSearch: (request, signal) => vectorSearch(bench, request, signal),
  contrastSearch: (request, signal) => contrastSearch(bench, request, signal),
}

const streams: {
  [K in StreamKind]: (
    request: InferenceStreams[K]['request'],
    signal: AbortSignal,
  ) => Promise<AsyncIterator<InferenceStreams[K]['item']>>
} = {
  steer: (request, signal) => openSteering(bench, request, signal),
  sweep: (request, signal) => openSweep(bench, request, signal),
  compareModels: async (request, signal) => modelsCompared(bench, request, signal),
}

async function stream<K extends StreamKind>(
  id: number,
  kind: K,
  request: InferenceStreams[K]['request'],
  signal: AbortSignal,
): Promise<void> {
  const items = await inTurn(() => streams[kind](request, signal))
  try {
    while (true) {
      // Lets a cancel that has arrived be heard.
      await setImmediate()
      signal.throwIfAborted()
      const { done, value } = await inTurn(() => items.next())
      if (done) break
      send({ type: 'item', id, item: value })
    }
  } finally {
    // Gives back what it holds, such as caches.
    await inTurn(async () => items.return?.())
  }
}

type ToInferenceCall = Extract<ToInference, { type: 'call' }>

const isStream = (kind: CallKind | StreamKind): kind is StreamKind => kind in streams

function answer<K extends CallKind>(
  kind: K,
  request: InferenceCalls[K]['request'],
  signal: AbortSignal,
): Promise<InferenceCalls[K]['answer']> {
  return inTurn(async () => {
    signal.throwIfAborted()
    return answers[kind](request, signal)
  })
}

/** The models that a request is about. */
function modelsOf(request: ToInferenceCall['request']): ModelName[] {
  const own = 'suite' in request ? request.suite.model : request.model
  const other = 'suite' in request && 'model' in request ? [request.model] : []
  return [{ name: own }, ...other.map((name) => ({ name, offline: true }))]
}

async function onCall({ id, kind, request }: ToInferenceCall): Promise<void> {
  const stop = new AbortController()
  running.set(id, stop)
  let release: (() => Promise<void>) | undefined
  try {
    // Not within a turn: what holds the models needs turns to come to its end.
    release = await bench.hold(modelsOf(request), stop.signal)
    const result = isStream(kind)
      ? await stream(id, kind, request as InferenceStreams[typeof kind]['request'], stop.signal)
      : await answer(kind, request as InferenceCalls[typeof kind]['request'], stop.signal)
    send({ type: 'answer', id, answer: result })
  } catch (error) {
    if (stop.signal.aborted) return
    const wrong_input = error instanceof RangeError || error instanceof TypeError
    send({
      type: 'error',
      id,
      error: error instanceof Error ? error.message : String(error),
      status: wrong_input ? 400 : 500,
    })
  } finally {
    running.delete(id)
    await release?.()
  }
}

function describeModel({ name, config, tokenizer }: Model): ModelInfo {
  const { n_layers, d_model, d_vocab, n_ctx } = config
  const chat = tokenizer?.chat === undefined ? {} : ({ chat: true } as const)
  return { name, n_layers, d_model, d_vocab, n_ctx, n_params: countParameters(config), ...chat }
}

port.on('message', (message: ToInference) => {
  switch (message.type) {
    case 'call':
      return void onCall(message)
    case 'cancel':
      return running.get(message.id)?.abort()
    case 'close':
      for (const stop of running.values()) stop.abort()
      return void inTurn(() => bench.close()).finally(() => port.close())
    default:
      message satisfies never
  }
})
