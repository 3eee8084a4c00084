export * from './byteSource.ts'
export * from './errors.ts'
export * from './tensor.ts'
export * from './onnx.ts'
export {
  DTYPE_BYTES,
  elementCount,
  type FloatDtype,
  fromFloat32,
  fromInt32,
  toFloat32,
  toInt32,
} from './dtypes.ts'
export { checkRange, openBytes } from './memory.ts'
export {
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  streamSafetensors,
  type TensorStream,
  writeSafetensors,
} from './safetensors.ts'
export { readNpz, writeNpz } from './npz.ts'
