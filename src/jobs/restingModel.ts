/** A model whose weights need not be in memory all the time: it is opened again by the next pass. */
import type { Model } from '../model/index.ts'

/** Name, sizes and tokenizer hold good while it rests; a cache of keys needs it awake, as it is after a pass. */
export type RestingModel = Model & {
  /** Lets go of the weights until the next pass. */
  rest(): Promise<void>
}

/** @param open opens the model; called again after every rest. @throws RangeError from a pass if another model lies there by then. */
export async function openRestingModel(open: () => Promise<Model>): Promise<RestingModel> {
  const first = await open()
  let current: Promise<Model> | undefined = Promise.resolve(first)
  /** The same, once it is there: caches lie in its memory. */
  let awake: Model | undefined = first
  const wake = (): Promise<Model> => {
    current ??= open().then(async (model) => {
      if (model.hash === first.hash) {
        awake = model
        return model
      }
      await model.close()
      throw new RangeError(
        `${first.name}: its files have changed since the run began. Run it again.`,
      )
    })
    return current
  }
  const rest = async (): Promise<void> => {
    const model = current
    current = awake = undefined
    await (await model)?.close()
  }
  return {
    ...first,
    forward: async (batch, options) => (await wake()).forward(batch, options),
    unembedding: async () => (await wake()).unembedding(),
    openCache(n_seqs, n_ctx) {
      if (awake !== undefined) return awake.openCache(n_seqs, n_ctx)
      throw new Error(`${first.name} rests, and has no room for a cache before its next pass.`)
    },
    rest,
    close: rest,
  }
}
