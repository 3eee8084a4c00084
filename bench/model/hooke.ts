/** Hooke as a contestant: opens the checkpoint, runs it plain or with sites captured, generates from it. */
import { open } from 'node:fs/promises'
import {
  generate,
  type HookActs,
  type HookEdit,
  type HookName,
  type Model,
  type OpenModelOptions,
  openModel,
  padBatch,
} from '../../src/model/index.ts'
import { serve, timed } from './serve.ts'

export type HookeRequest =
  | ({ readonly do: 'open'; readonly folder: string } & OpenModelOptions)
  | {
      readonly do: 'forward'
      readonly ids: readonly number[][]
      /**
       * `captured`: copied into arrays that stay from request to request, as the pass goes by, which is how Hooke itself captures.
       * `returned`: all of them as one result. `last`: the last residual stream alone, returned.
       */
      readonly sites: 'last' | 'captured' | 'returned'
      /** A file for the sites' numbers, raw float32, one after the other. */
      readonly keep?: string
    }
  | { readonly do: 'losses'; readonly ids: readonly number[][] }
  | {
      readonly do: 'logits'
      readonly ids: readonly number[][]
      readonly probes: readonly number[]
      /** A file for all logits [n, d_vocab], raw float32. */
      readonly keep?: string
    }
  | {
      readonly do: 'decode'
      readonly ids: readonly number[]
      readonly max_tokens: number
      readonly steered: boolean
    }

/** Sites that SAEs are published for. */
const SITES = ['hook_resid_post', 'hook_mlp_out', 'attn.hook_z'] as const
/** Length of the steering vector beside the residual stream's, small enough to leave the text a text. */
const STRENGTH = 0.1

let model: Model

/** What a capture fills. */
const captured = new Map<HookName, Float32Array>()

function sitesOf(sites: 'last' | 'captured' | 'returned'): readonly HookName[] {
  const { n_layers } = model.config
  if (sites === 'last') return [`blocks.${n_layers - 1}.hook_resid_post`]
  return Array.from({ length: n_layers }, (_, layer) =>
    SITES.map((site) => `blocks.${layer}.${site}` as const),
  ).flat()
}

/** Copies a site's rows into its array, which is made at the first capture of so many. */
function takeRows({ hook, data }: HookActs): void {
  const kept = captured.get(hook)
  if (kept?.length === data.length) kept.set(data)
  else captured.set(hook, data.slice())
}

/** Adds one vector in the middle of the model at every position. */
function steering(): HookEdit {
  const { n_layers, d_model } = model.config
  const vector = Float32Array.from({ length: d_model }, (_, i) =>
    i % 2 === 0 ? STRENGTH : -STRENGTH,
  )
  return {
    hook: `blocks.${n_layers >> 1}.hook_resid_post`,
    apply({ data, d }) {
      for (let row = 0; row < data.length; row += d)
        for (let i = 0; i < d; i++) data[row + i]! += vector[i]!
    },
  }
}

async function keepArrays(path: string, arrays: Iterable<Float32Array>): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (const { buffer, byteOffset, byteLength } of arrays)
      await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength))
  } finally {
    await file.close()
  }
}

const batchOf = (rows: readonly number[][]) => padBatch(rows.map((row) => Int32Array.from(row)))

/** For each row of logits [n, d_vocab], where it is largest. */
function argmaxRows(logits: Float32Array, d_vocab: number): number[] {
  return Array.from({ length: logits.length / d_vocab }, (_, row) => {
    let best = row * d_vocab
    for (let i = best; i < (row + 1) * d_vocab; i++) if (logits[i]! > logits[best]!) best = i
    return best - row * d_vocab
  })
}

await serve<HookeRequest>(async (request) => {
  switch (request.do) {
    case 'open': {
      const { do: _, folder, ...options } = request
      const { value, ms, cpu_ms } = await timed(() => openModel(folder, options))
      model = value
      return { ms, cpu_ms, weights_bytes: model.memory.weights_bytes }
    }
    case 'forward': {
      const batch = batchOf(request.ids)
      const hooks = sitesOf(request.sites)
      const asked =
        request.sites === 'captured'
          ? { reads: hooks.map((hook) => ({ hook, read: takeRows })) }
          : { hooks }
      const { value, ms, cpu_ms } = await timed(() => model.forward(batch, asked))
      if (request.keep !== undefined)
        await keepArrays(
          request.keep,
          hooks.map((hook) => value.acts.get(hook)!.data),
        )
      let returned_bytes = 0
      for (const { data } of value.acts.values()) returned_bytes += data.byteLength
      return { ms, cpu_ms, returned_bytes }
    }
    case 'losses': {
      const { next_token_loss } = await model.forward(batchOf(request.ids), { loss: true })
      return { losses: [...next_token_loss!] }
    }
    case 'logits': {
      const { logits } = await model.forward(batchOf(request.ids), { logits: true })
      if (request.keep !== undefined) await keepArrays(request.keep, [logits!])
      const { d_vocab } = model.config
      const top = argmaxRows(logits!, d_vocab)
      return {
        top,
        probed: top.flatMap((_, row) => request.probes.map((id) => logits![row * d_vocab + id]!)),
      }
    }
    case 'decode': {
      const { ids, max_tokens, steered } = request
      const text = generate(model, {
        ids: Int32Array.from(ids),
        max_tokens,
        temperature: 0,
        edits: steered ? [steering()] : [],
      })
      const prompt = await timed(() => text.next())
      const new_ids = [prompt.value.value!.id]
      const rest = await timed(async () => {
        for await (const { id } of text) new_ids.push(id)
      })
      return { prompt_ms: prompt.ms, ms: rest.ms, cpu_ms: rest.cpu_ms, ids: new_ids }
    }
    default:
      throw new TypeError(`Unknown request ${JSON.stringify(request satisfies never)}.`)
  }
})
