/**
 * Memory of the kernels: several shared WebAssembly memories ("banks"), because one holds at most 4 GiB. They grow as they are used;
 * what is given back is used again, but stays the process's.
 */

const PAGE_BYTES = 65_536
const MAX_PAGES = 65_536
/** All but the last page, so that no address behind a range wraps to 0. */
const BANK_BYTES = PAGE_BYTES * (MAX_PAGES - 1)
const ALIGN_BYTES = 64

/** A range of a bank. */
export type Extent = { readonly bank: number; readonly address: number; readonly bytes: number }

type Free = { address: number; bytes: number }

export class Banks {
  readonly memories: readonly WebAssembly.Memory[]
  /** Free ranges of each bank, ascending, none beside another. The first page stays free for the module. */
  readonly #free: Free[][]

  /** @param memory_bytes what can be allocated at least, in pieces of up to half a bank. */
  constructor(memory_bytes: number) {
    const n_banks = Math.ceil(memory_bytes / (BANK_BYTES / 2))
    this.memories = Array.from(
      { length: Math.max(1, n_banks) },
      () => new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true }),
    )
    this.#free = this.memories.map(() => [{ address: PAGE_BYTES, bytes: BANK_BYTES - PAGE_BYTES }])
  }

  /**
   * A range of zeros or of what was there before, in the given bank or the first that has room.
   * @throws RangeError if none has.
   */
  allocate(bytes: number, bank?: number): Extent {
    const size = Math.max(1, Math.ceil(bytes / ALIGN_BYTES)) * ALIGN_BYTES
    for (const [i, free] of this.#free.entries()) {
      if (bank !== undefined && i !== bank) continue
      const at = free.findIndex((range) => range.bytes >= size)
      if (at < 0) continue
      const { address, bytes } = free[at]!
      if (bytes === size) free.splice(at, 1)
      else free[at] = { address: address + size, bytes: bytes - size }
      this.#grow(this.memories[i]!, address + size)
      return { bank: i, address, bytes: size }
    }
    throw new RangeError(
      `model: no room for ${gib(size)} GiB among ${this.memories.length} memories of 4 GiB; ` +
        'give openTeam a larger memory_bytes, or keep the weights in fewer bits.',
    )
  }

  release({ bank, address, bytes }: Extent): void {
    const free = this.#free[bank]!
    const at = free.findIndex((range) => range.address > address)
    const i = at < 0 ? free.length : at
    free.splice(i, 0, { address, bytes })
    const [before, here, after] = [free[i - 1], free[i]!, free[i + 1]]
    if (after && address + bytes === after.address) {
      here.bytes += after.bytes
      free.splice(i + 1, 1)
    }
    if (before && before.address + before.bytes === address) {
      before.bytes += here.bytes
      free.splice(i, 1)
    }
  }

  /** @param address a multiple of 4. */
  floats(bank: number, address: number, n: number): Float32Array {
    return new Float32Array(this.memories[bank]!.buffer, address, n)
  }

  #grow(memory: WebAssembly.Memory, bytes: number): void {
    const missing = Math.ceil((bytes - memory.buffer.byteLength) / PAGE_BYTES)
    if (missing > 0) memory.grow(missing)
  }
}

const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)
