/** The inference thread: holds an open model and SAEs, answers calls one model pass at a time. Started by inference.ts only. */
import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { SteerEvent } from '../api/index.ts'
import { countParameters, type ModelConfig } from '../model/index.ts'
import { parseHookName } from '../sae/index.ts'
import { steer } from '../steer/index.ts'
import type {
  CallKind,
  FromInference,
  InferenceCalls,
  ModelInfo,
  SteerCall,
  ToInference,
} from './inferenceProtocol.ts'
import { microscope, testLatent } from './microscope.ts'
import { type ModelSettings, Workbench } from './workbench.ts'

const port = parentPort
if (port === null) throw new Error('server/inferenceWorker.ts runs as a worker thread only')
const send = (message: FromInference): void => port.postMessage(message)
const bench = new Workbench(workerData as ModelSettings)
const running = new Map<number, AbortController>()

/** Calls take turns: a model does one pass at a time. Streams give up their turn after every token. */
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
    const { name: base, config } = await bench.model(name)
    return describeModel(base, config)
  },

  async microscope({ suite, text, top_k, max_density }, signal) {
    const model = await bench.model(suite.model)
    const sites = await Promise.all(
      suite.saes.map(async ({ id, hook, dir }) => ({
        id,
        hook: parseHookName(hook, dir),
        ...(await bench.outputOf(dir)),
        open: () => bench.sae(dir, model),
      })),
    )
    return microscope(model, sites, { text, top_k, max_density, signal })
  },

  async test({ model: name, dir, latent, text }, signal) {
    const model = await bench.model(name)
    const { runner } = await bench.sae(dir, model)
    return testLatent(model, runner, { latent, text, signal })
  },
}

async function steerCall(id: number, request: SteerCall, signal: AbortSignal): Promise<void> {
  const stream = await inTurn(() => openSteering(request, signal))
  while (true) {
    // Lets a cancel that has arrived be heard.
    await setImmediate()
    signal.throwIfAborted()
    const { done, value } = await inTurn(() => stream.next())
    if (done) return
    send({ type: 'item', id, item: value })
  }
}

async function openSteering(
  request: SteerCall,
  signal: AbortSignal,
): Promise<AsyncIterator<SteerEvent>> {
  const model = await bench.model(request.model)
  const interventions = []
  for (const { dir, latent, mode, strength } of request.interventions) {
    const { runner, measured } = await bench.sae(dir, model)
    const { sae } = runner
    if (latent >= sae.d_sae)
      throw new RangeError(`latent ${latent}: ${sae.hook_name} has latents 0 to ${sae.d_sae - 1}`)
    const needs_max = mode === 'add' || mode === 'clamp'
    if (needs_max && !measured)
      throw new RangeError(
        `${sae.hook_name}: strength is in units of a latent's maximum, which is not measured yet. Index the suite first, or scale or ablate.`,
      )
    interventions.push({ sae, latent, mode, strength, max_act: measured?.max_act[latent] ?? 0 })
  }
  const { interventions: _, model: __, ...options } = request
  return steer(model, { ...options, interventions, signal })[Symbol.asyncIterator]()
}

async function answer<K extends CallKind>(
  id: number,
  kind: K,
  request: InferenceCalls[K]['request'],
  signal: AbortSignal,
): Promise<void> {
  const result = await inTurn(async () => {
    signal.throwIfAborted()
    return answers[kind](request, signal)
  })
  send({ type: 'answer', id, answer: result })
}

async function onCall(message: Extract<ToInference, { type: 'call' }>): Promise<void> {
  const { id, kind, request } = message
  const stop = new AbortController()
  running.set(id, stop)
  try {
    if (kind === 'steer') {
      await steerCall(id, request as SteerCall, stop.signal)
      send({ type: 'answer', id, answer: undefined })
    } else {
      await answer(id, kind, request as InferenceCalls[typeof kind]['request'], stop.signal)
    }
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
  }
}

function describeModel(name: string, config: ModelConfig): ModelInfo {
  const { n_layers, d_model, d_vocab, n_ctx } = config
  return { name, n_layers, d_model, d_vocab, n_ctx, n_params: countParameters(config) }
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
