/** Opens a file of tensors of whichever format its first bytes say. */

import type { ByteSource } from './byteSource.ts'
import { openNpz } from './npz.ts'
import { parseSafetensors } from './safetensors.ts'
import type { TensorFile } from './tensorFile.ts'
import { openTorch } from './torch.ts'
import { openZip } from './zip.ts'

export type OpenedTensors = {
  readonly format: 'safetensors' | 'npz' | 'torch'
  readonly file: TensorFile
}

/** A ZIP archive begins with PK, a pickle with 0x80; a safetensors file's first byte is the low one of a length. */
const ZIP = [0x50, 0x4b]
const PICKLE = 0x80

/** @throws FormatError as `parseSafetensors`, `openNpz` and `openTorch`. */
export async function openTensors(source: ByteSource): Promise<OpenedTensors> {
  const head = await source.read(0, Math.min(source.size_bytes, 2))
  if (head[0] === ZIP[0] && head[1] === ZIP[1]) {
    const entries = await openZip(source, 'balanced')
    if (entries.some(({ name }) => name.endsWith('.pkl'))) {
      return { format: 'torch', file: await openTorch(source) }
    }
    return { format: 'npz', file: await openNpz(source) }
  }
  // The low byte of a header's length in safetensors may be 0x80 too; a pickle's second byte is its protocol, 2 to 5.
  if (head[0] === PICKLE && head[1]! >= 2 && head[1]! <= 5 && !(await isSafetensors(source))) {
    return { format: 'torch', file: await openTorch(source) }
  }
  return { format: 'safetensors', file: await parseSafetensors(source) }
}

/** Whether a header in JSON follows the length. */
async function isSafetensors(source: ByteSource): Promise<boolean> {
  const head = await source.read(0, Math.min(source.size_bytes, 9))
  return head[8] === 0x7b
}
