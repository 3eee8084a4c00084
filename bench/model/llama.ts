/** node-llama-cpp as a contestant, on the CPU. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { serve, timed } from './serve.ts'

export type LlamaRequest =
  | {
      readonly do: 'open'
      readonly installed: string
      readonly model: string
      readonly threads: number
      readonly n_ctx: number
    }
  | { readonly do: 'decode'; readonly ids: readonly number[]; readonly max_tokens: number }
  /** After each of these ids, the likeliest next token and the logits of the tokens in `probes`. */
  | { readonly do: 'logits'; readonly ids: readonly number[]; readonly probes: readonly number[] }

/** What is used of node-llama-cpp. */
type Library = {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{ createContext(options: object): Promise<Context> }>
  }>
}
type Context = { getSequence(): Sequence; readonly currentThreads: number }
type Sequence = {
  clearHistory(): Promise<void>
  evaluate(ids: readonly number[], options: object): AsyncGenerator<number, void, undefined>
  controlledEvaluate(
    input: readonly (readonly [number, object])[],
  ): Promise<readonly ({ readonly next: Next } | undefined)[]>
}

type Next = { readonly token?: number; readonly logits?: ReadonlyMap<number, number> }

async function openSequence(request: LlamaRequest & { do: 'open' }): Promise<Sequence> {
  const { installed, model, threads, n_ctx } = request
  const entry = createRequire(join(installed, 'package.json')).resolve('node-llama-cpp')
  const { getLlama } = (await import(pathToFileURL(entry).href)) as Library
  const llama = await getLlama({
    ...{ gpu: false, build: 'never', skipDownload: true, progressLogs: false },
    ...{ maxThreads: threads, logLevel: 'error' },
  })
  const loaded = await llama.loadModel({ modelPath: model })
  const context = await loaded.createContext({
    ...{ contextSize: n_ctx, threads: { ideal: threads, min: threads } },
  })
  return context.getSequence()
}

let sequence: Sequence

await serve<LlamaRequest>(async (request) => {
  switch (request.do) {
    case 'open': {
      const { value, ms, cpu_ms } = await timed(() => openSequence(request))
      sequence = value
      return { ms, cpu_ms }
    }
    case 'decode': {
      await sequence.clearHistory()
      const text = sequence.evaluate(request.ids, { temperature: 0, yieldEogToken: true })
      const prompt = await timed(() => text.next())
      const ids = [prompt.value.value!]
      const rest = await timed(async () => {
        while (ids.length < request.max_tokens) ids.push((await text.next()).value!)
      })
      await text.return()
      return { prompt_ms: prompt.ms, ms: rest.ms, cpu_ms: rest.cpu_ms, ids }
    }
    case 'logits': {
      await sequence.clearHistory()
      const asked = {
        generateNext: {
          token: true,
          options: { temperature: 0 },
          logits: { filter: { tokens: request.probes } },
        },
      }
      const answers = await sequence.controlledEvaluate(
        request.ids.map((id) => [id, asked] as const),
      )
      return {
        top: answers.map((answer) => answer!.next.token),
        probed: answers.flatMap((answer) =>
          request.probes.map((id) => answer!.next.logits!.get(id)),
        ),
      }
    }
    default:
      throw new TypeError(`Unknown request ${JSON.stringify(request satisfies never)}.`)
  }
})
