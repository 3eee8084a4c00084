/** Tensors as plain data: what every reader in this folder returns and every writer takes. */

/** Element types, spelled as in safetensors. */
export type Dtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'

/** A tensor on disk or in memory, row-major; `bytes` are little-endian. */
export type Tensor = {
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}
