/** A model whose weights need not be in memory all the time: it is opened again by the next pass. */
import type { Model } from '../model/index.ts'

/** Name, sizes and tokenizer hold good while it rests; a cache of keys needs it awake, as it is after a pass. */
export type RestingModel = Model & {
  /** Lets go of the weights until the next pass. */
  rest(): Promise<void>
}

/** @param open opens the model; called again after every rest. @throws RangeError from a pass if another model lies there by then. */
export async function openRestingModel(open: () => Promise<Model>): Promise<RestingModel> {
  /** Caches lie in its memory. Nothing else here may hold on to it: the memory of its threads goes when it is no longer seen. */
  let awake: Model | undefined = await open()
  let current: Promise<Model> | undefined = Promise.resolve(awake)
  const { name, hash, config, tokenizer, hooks, memory, backend } = awake
  const widths = new Map(hooks.map((hook) => [hook, awake!.width(hook)]))
  const wake = (): Promise<Model> => {
    current ??= open().then(async (model) => {
      if (model.hash === hash) {
        awake = model
        return model
      }
      await model.close()
      throw new RangeError(`${name}: its files have changed since the run began. Run it again.`)
    })
    return current
  }
  const rest = async (): Promise<void> => {
    const model = current
    current = awake = undefined
    await (await model)?.close()
  }
  return {
    ...{ name, hash, config, tokenizer, hooks, memory, backend },
    width: (hook) => widths.get(hook) ?? config.d_model,
    forward: async (batch, options) => (await wake()).forward(batch, options),
    unembedding: async () => (await wake()).unembedding(),
    openCache(n_seqs, n_ctx) {
      if (awake !== undefined) return awake.openCache(n_seqs, n_ctx)
      throw new Error(`${name} rests, and has no room for a cache before its next pass.`)
    },
    rest,
    close: rest,
  }
}
