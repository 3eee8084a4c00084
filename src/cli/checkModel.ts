/** `hooke check MODEL --weights q8`: what a model loses by weights in fewer bits. */
import type { ModelFlags } from './modelOptions.ts'
import { modelOptionsOf } from './modelOptions.ts'
import { fetchModel } from './pull.ts'
import { renderTable } from './terminal.ts'

/**
 * Compares a model in the precision asked for with itself in float32, on the built-in text, and prints both.
 * @param options.memory most memory for each of the two.
 */
export async function checkModel(
  name: string,
  options: ModelFlags & { tokens?: number; json?: boolean },
  signal: AbortSignal,
): Promise<void> {
  const { comparePrecision } = await import('../evaluate/index.ts')
  const { openModel } = await import('../model/index.ts')
  const path = await fetchModel(name, signal)
  const { weights: _, ...plain } = modelOptionsOf(options)
  const reference = await openModel(path, plain)
  try {
    const model = await openModel(path, modelOptionsOf(options))
    try {
      const { tokens } = options
      const found = await comparePrecision(reference, model, {
        ...(tokens === undefined ? {} : { max_tokens: tokens }),
        signal,
      })
      if (options.json) {
        console.log(JSON.stringify({ model: model.name, weights: options.weights, ...found }))
        return
      }
      const table = renderTable(
        ['weights', 'KL', 'largest KL', 'same first token', 'loss', 'loss in f32'],
        [
          [
            options.weights,
            found.kl.toPrecision(3),
            found.kl_max.toPrecision(3),
            `${(100 * found.top1_agreement).toFixed(1)} %`,
            found.ce_loss.toFixed(4),
            found.ce_loss_reference.toFixed(4),
          ],
        ],
      )
      const count = found.n_tokens.toLocaleString('en')
      console.log(`${table}\nOn ${count} predictions of built-in text; KL and losses in nats.`)
    } finally {
      await model.close()
    }
  } finally {
    await reference.close()
  }
}
