export * from './byteSource.ts'
export {
  DTYPE_BYTES,
  elementCount,
  type FloatDtype,
  fromFloat32,
  fromInt32,
  readFloat32,
  toFloat32,
  toInt32,
} from './dtypes.ts'
export { escapeControls, FormatError } from './errors.ts'
export { parseJson, quote } from './json.ts'
export { checkRange, openBytes } from './memory.ts'
export { openNpz, readNpz, writeNpz } from './npz.ts'
export * from './onnx.ts'
export { type OpenedTensors, openTensors } from './openTensors.ts'
export {
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  streamSafetensors,
  type TensorStream,
  writeSafetensors,
} from './safetensors.ts'
export * from './tensor.ts'
export type { TensorFile, TensorPlace } from './tensorFile.ts'
export { openTorch } from './torch.ts'
