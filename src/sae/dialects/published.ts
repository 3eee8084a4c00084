/** What a reader of somebody's SAEs is given and gives. One file a dialect beside this one. */

import type { TensorFile } from '../../formats/index.ts'
import type { HookName, MlpNorm } from '../../model/index.ts'
import type { Sae } from '../types.ts'

/** The published layouts that Hooke reads; recognised from files and tensors (`recognise.ts`), never from a path. */
export type Dialect =
  | 'gemma-scope'
  | 'gemma-scope-2'
  | 'saelens'
  | 'sparsify'
  | 'dictionary-learning'
  | 'llama-scope'

/** Where an SAE reads, and where it writes if it is a transcoder. */
export type Sites = { readonly hook_name: HookName; readonly hook_name_out?: HookName }

/** The files of one SAE. */
export type SaeFiles = {
  /** Its folder, or the file that was named: for messages, and for the sites where the files do not tell them. */
  readonly where: string
  readonly weights: TensorFile
  /** The JSON file beside the weights, unchecked; absent where there is none. */
  readonly config?: { readonly path: string; readonly value: unknown }
  /** SAELens's `scaling_factor`, from activation_scaler.json; absent where there is no such file. */
  readonly scaling_factor?: number
}

export type ReadSaeOptions = {
  /** Instead of what the files or the path say. */
  readonly sites?: Sites
  /** The model's norm before the MLP of a block; needed by SAEs that read behind its gain. */
  readonly mlpNorm?: (layer: number) => Promise<MlpNorm>
}

/** An SAE as Hooke runs it, and what was assumed or folded to make it so. */
export type PublishedSae = {
  readonly dialect: Dialect
  readonly sae: Sae
  /** Sentences for a person: site, scale, threshold, b_dec, what was folded. */
  readonly notes: readonly string[]
  /** The mean number of active latents that its publisher states, or k. */
  readonly l0?: number
  /** The model it was trained on, as its files name it. */
  readonly model_name?: string
}
