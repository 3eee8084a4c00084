/** Whether two models can be compared token by token and latent by latent. */

import type { Model } from '../model/index.ts'

type Compared = Pick<Model, 'name' | 'config' | 'tokenizer'>

/**
 * Refuses models that do not read the same tokens, or whose activations are of other widths.
 * @throws RangeError naming the first thing in which they differ.
 */
export function requireSameTokens(base: Compared, tuned: Compared): void {
  const refuse = (what: string, of_base: unknown, of_tuned: unknown): never => {
    throw new RangeError(
      `compare: ${base.name} and ${tuned.name} differ in ${what} (${of_base} and ${of_tuned}). ` +
        'Only models that read the same tokens into activations of the same width can be compared latent by latent: give one that was trained on from the other.',
    )
  }
  for (const size of ['d_model', 'd_vocab', 'n_layers'] as const)
    if (base.config[size] !== tuned.config[size])
      refuse(size, base.config[size], tuned.config[size])
  const [a, b] = [base.tokenizer, tuned.tokenizer]
  if ((a === undefined) !== (b === undefined))
    refuse('whether they have a tokenizer', a ? 'yes' : 'no', b ? 'yes' : 'no')
  if (a === undefined || b === undefined) return
  if (a.bos !== b.bos) refuse('the token in front of a text', a.bos ?? 'none', b.bos ?? 'none')
  if (a.pieces.length !== b.pieces.length)
    refuse('the number of tokens of their tokenizers', a.pieces.length, b.pieces.length)
  const id = a.pieces.findIndex((piece, i) => piece !== b.pieces[i])
  if (id >= 0) refuse(`token ${id}`, JSON.stringify(a.pieces[id]), JSON.stringify(b.pieces[id]))
}
