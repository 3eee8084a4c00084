export * from './byteSource.ts'
export {
  DTYPE_BYTES,
  elementCount,
  type FloatDtype,
  fromFloat32,
  fromInt32,
  toFloat32,
  toInt32,
} from './dtypes.ts'
export * from './errors.ts'
export { checkRange, openBytes } from './memory.ts'
export { readNpz, writeNpz } from './npz.ts'
export * from './onnx.ts'
export {
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  streamSafetensors,
  type TensorStream,
  writeSafetensors,
} from './safetensors.ts'
export * from './tensor.ts'
