/**
 * One token through the layers by the logit lens: what the model would predict if it ended after each block.
 *
 * 1. One pass returns the residual stream before the first block and after every block.
 * 2. The token's rows of all of them go through the final norm and the unembedding at once, as a batch that begins at the last
 *    block's output; that of the last block is the model's own prediction.
 * Source of the idea: nostalgebraist 2020, "interpreting GPT: the logit lens". Early layers write in a basis that the
 * unembedding does not read, so their rows say less than they seem to.
 */
import type { Depth } from '../api/index.ts'
import { type HookName, type Model, padBatch } from '../model/index.ts'
import { readAllLogits, requireTokenizer, tokensOf, viewPrediction } from './readText.ts'

/**
 * The depth profile of the token at a position.
 * @throws RangeError if the text has no such token; TypeError if the model has no tokenizer.
 */
export async function depthOf(
  model: Model,
  options: { text: string; token: number; signal?: AbortSignal },
): Promise<Depth> {
  const { token } = options
  const tokenizer = requireTokenizer(model)
  const { ids } = tokensOf(model, tokenizer, options.text)
  if (token >= ids.length)
    throw new RangeError(`token ${token}: the text has tokens 0 to ${ids.length - 1}`)
  const { n_layers, d_model, d_vocab } = model.config
  const after = Array.from(
    { length: n_layers },
    (_, layer): HookName => `blocks.${layer}.hook_resid_post`,
  )
  const hooks: HookName[] = ['blocks.0.hook_resid_pre', ...after]
  const signal = options.signal ? { signal: options.signal } : {}
  // Later tokens change nothing at this one.
  const { acts } = await model.forward(padBatch([ids.slice(0, token + 1)]), { hooks, ...signal })

  const data = new Float32Array(hooks.length * d_model)
  for (const [row, hook] of hooks.entries())
    data.set(acts.get(hook)!.data.subarray(token * d_model, (token + 1) * d_model), row * d_model)
  const batch = padBatch(hooks.map(() => ids.slice(token, token + 1)))
  const { logits } = await model.forward(batch, {
    from: { ...batch, hook: hooks.at(-1)!, data, d: d_model, start: 0 },
    logits: 'last',
    ...signal,
  })
  const predictions = readAllLogits(logits!, d_vocab)
  const final = predictions.at(-1)!.top[0]!
  const actual = ids[token + 1]
  return {
    token,
    layers: predictions.map((prediction, row) => ({
      hook: hooks[row]!,
      ...(row === 0 ? {} : { layer: row - 1 }),
      predictions: viewPrediction(prediction, tokenizer),
      final_p: Math.exp(prediction.logprob(final)),
      ...(actual === undefined ? {} : { loss_nats: -prediction.logprob(actual) }),
    })),
  }
}
