/** Named tensors in a file, read when asked for: what safetensors, .npz and PyTorch's files have in common. */

import type { Tensor } from './tensor.ts'

/** What a file says of a tensor before it is read. */
export type TensorPlace = Pick<Tensor, 'dtype' | 'shape'> & {
  /** Where its numbers begin in the file, row-major; absent where they do not lie there as they are (packed, turned). */
  readonly offset?: number
}

export type TensorFile = {
  /** For messages: the source's name. */
  readonly name: string
  readonly tensors: ReadonlyMap<string, TensorPlace>
  /**
   * Reads one tensor.
   * @throws FormatError if the file has no tensor of this name, or its bytes are damaged.
   */
  read(name: string): Promise<Tensor>
}
