/** Which dialect an SAE's weights are in, told by the kind of file and the names of its tensors. */

import { FormatError, type OpenedTensors } from '../../formats/index.ts'
import { readGemmaScope } from '../gemmaScope.ts'
import { readDictionaryLearning } from './dictionaryLearning.ts'
import { readGemmaScope2 } from './gemmaScope2.ts'
import { readLlamaScope } from './llamaScope.ts'
import type { Dialect, PublishedSae, ReadSaeOptions, SaeFiles } from './published.ts'
import { readSaelens } from './saelens.ts'
import { readSparsify } from './sparsify.ts'

type Reader = (files: SaeFiles, options: ReadSaeOptions) => Promise<PublishedSae>

/** Each dialect's configuration file, and its reader. */
export const READERS: Readonly<
  Record<Dialect, { readonly config?: string; readonly read: Reader }>
> = {
  'gemma-scope': { read: readGemmaScope },
  'gemma-scope-2': { config: 'config.json', read: readGemmaScope2 },
  saelens: { config: 'cfg.json', read: readSaelens },
  sparsify: { config: 'cfg.json', read: readSparsify },
  'dictionary-learning': { config: 'config.json', read: readDictionaryLearning },
  'llama-scope': { config: 'hyperparams.json', read: readLlamaScope },
}

/** Where weights lie in an SAE's folder, by the dialects' custom. */
export const WEIGHT_FILES = [
  'params.npz',
  'params.safetensors',
  'sae_weights.safetensors',
  'sae.safetensors',
  'ae.pt',
  'checkpoints/final.safetensors',
] as const

/** @throws FormatError if the tensors are those of no dialect. */
export function recogniseDialect({ format, file }: OpenedTensors): Dialect {
  const has = (name: string) => file.tensors.has(name)
  switch (format) {
    case 'npz':
      return 'gemma-scope'
    case 'torch':
      return 'dictionary-learning'
    case 'safetensors':
      if (has('w_enc') || has('w_dec')) return 'gemma-scope-2'
      if (has('W_E') || has('log_jumprelu_threshold')) {
        throw new FormatError(
          file.name,
          "is in a later layout of Llama Scope's program, with a threshold a latent, which Hooke does not read. Convert it to SAELens's.",
        )
      }
      if (has('encoder.weight') || has('encoder.bias')) {
        return has('W_dec') || has('b_dec') ? 'sparsify' : 'llama-scope'
      }
      if (has('W_enc') || has('W_dec')) return 'saelens'
      throw new FormatError(
        file.name,
        `holds ${[...file.tensors.keys()].slice(0, 8).join(', ') || 'no tensors'}, which are those of no SAE that Hooke knows: ` +
          'w_enc (Gemma Scope 2), W_enc (SAELens), encoder.weight with decoder.weight (Llama Scope) or W_dec (sparsify).',
      )
    default:
      return format satisfies never
  }
}
