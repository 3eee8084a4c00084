/** A model whose weights need not be in memory all the time: it is opened again by the next pass. */
import type { Model } from '../model/index.ts'

/** Name, sizes and tokenizer hold good while it rests. */
export type RestingModel = Model & {
  /** Lets go of the weights until the next pass. */
  rest(): Promise<void>
}

/** @param open opens the model; called again after every rest. @throws RangeError from a pass if another model lies there by then. */
export async function openRestingModel(open: () => Promise<Model>): Promise<RestingModel> {
  const first = await open()
  let current: Promise<Model> | undefined = Promise.resolve(first)
  const awake = (): Promise<Model> => {
    current ??= open().then(async (model) => {
      if (model.hash === first.hash) return model
      await model.close()
      throw new RangeError(
        `${first.name}: its files have changed since the run began. Run it again.`,
      )
    })
    return current
  }
  const rest = async (): Promise<void> => {
    const model = current
    current = undefined
    await (await model)?.close()
  }
  return {
    ...first,
    forward: async (batch, options) => (await awake()).forward(batch, options),
    unembedding: async () => (await awake()).unembedding(),
    rest,
    close: rest,
  }
}
