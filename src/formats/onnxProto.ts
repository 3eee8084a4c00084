/** Protocol-buffer bytes of ONNX messages: only what {@link ./onnx.ts} writes, no reader. */

/** A protobuf message under construction: fields are appended in the order of the calls. */
export class ProtoWriter {
  #parts: Uint8Array[] = []
  #size_bytes = 0

  /** Field of wire type 0: an integer up to 2^53, negative ones as ten bytes of two's complement. */
  int(field: number, value: number): this {
    this.#varint(BigInt(field * 8))
    this.#varint(BigInt.asUintN(64, BigInt(value)))
    return this
  }

  /** Field of wire type 5: a 32-bit float. */
  float(field: number, value: number): this {
    this.#varint(BigInt(field * 8 + 5))
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    return this.#append(bytes)
  }

  /** Field of wire type 2: bytes, text or a nested message. */
  bytes(field: number, value: Uint8Array | string | ProtoWriter): this {
    const bytes =
      typeof value === 'string'
        ? new TextEncoder().encode(value)
        : value instanceof ProtoWriter
          ? value.finish()
          : value
    this.#varint(BigInt(field * 8 + 2))
    this.#varint(BigInt(bytes.length))
    return this.#append(bytes)
  }

  /** The message's bytes. */
  finish(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.#size_bytes)
    let at = 0
    for (const part of this.#parts) {
      out.set(part, at)
      at += part.length
    }
    return out
  }

  #varint(value: bigint): void {
    const bytes: number[] = []
    let rest = value
    while (rest > 0x7fn) {
      bytes.push(Number(rest & 0x7fn) | 0x80)
      rest >>= 7n
    }
    bytes.push(Number(rest))
    this.#append(Uint8Array.from(bytes))
  }

  #append(bytes: Uint8Array): this {
    this.#parts.push(bytes)
    this.#size_bytes += bytes.length
    return this
  }
}
