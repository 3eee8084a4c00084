/**
 * Memory of the kernels: several shared WebAssembly memories ("banks"), because one holds at most 4 GiB. They grow as they are used;
 * what is given back is used again, but stays the process's.
 */

const PAGE_BYTES = 65_536
const MAX_PAGES = 65_536
/** All but the last page, so that no address behind a range wraps to 0. */
const BANK_BYTES = PAGE_BYTES * (MAX_PAGES - 1)
const ALIGN_BYTES = 64
/** The first page is the module's. */
const FIRST = PAGE_BYTES
/** What comes before is kept for what a bank's kernels work with, so that weights may fill the rest. */
const FIRST_KEPT = FIRST + 2 ** 26

/** A range of a bank. */
export type Extent = { readonly bank: number; readonly address: number; readonly bytes: number }

type Free = { address: number; bytes: number }

export class Banks {
  readonly memories: readonly WebAssembly.Memory[]
  /** Free ranges of each bank, ascending, none beside another. */
  readonly #free: Free[][]

  /** @param memory_bytes what can be allocated at least, in pieces of up to half a bank. */
  constructor(memory_bytes: number) {
    const n_banks = Math.ceil(memory_bytes / ((BANK_BYTES - FIRST_KEPT) / 2))
    this.memories = Array.from(
      { length: Math.max(1, n_banks) },
      () => new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true }),
    )
    this.#free = this.memories.map(() => [{ address: FIRST, bytes: BANK_BYTES - FIRST }])
  }

  /**
   * A range of zeros or of what was there before, in the first bank that has room.
   * @throws RangeError if none has.
   */
  allocate(bytes: number): Extent {
    for (const bank of this.memories.keys()) {
      const extent = this.#take(bank, bytes, FIRST_KEPT)
      if (extent) return extent
    }
    throw this.#full(bytes)
  }

  /**
   * A range of the given bank, for what its kernels work with.
   * @throws RangeError if it has no room.
   */
  allocateWork(bank: number, bytes: number): Extent {
    const extent = this.#take(bank, bytes, FIRST)
    if (extent) return extent
    throw this.#full(bytes)
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

  /** The first free range of a bank that is large enough, from an address on. */
  #take(bank: number, bytes: number, from: number): Extent | undefined {
    const size = Math.max(1, Math.ceil(bytes / ALIGN_BYTES)) * ALIGN_BYTES
    const free = this.#free[bank]!
    for (const [i, range] of free.entries()) {
      const end = range.address + range.bytes
      const address = Math.max(range.address, from)
      if (end - address < size) continue
      const before = { address: range.address, bytes: address - range.address }
      const after = { address: address + size, bytes: end - address - size }
      free.splice(i, 1, ...[before, after].filter((rest) => rest.bytes > 0))
      const memory = this.memories[bank]!
      const missing = Math.ceil((address + size - memory.buffer.byteLength) / PAGE_BYTES)
      if (missing > 0) memory.grow(missing)
      return { bank, address, bytes: size }
    }
    return undefined
  }

  #full(bytes: number): RangeError {
    return new RangeError(
      `model: no room for ${(bytes / 2 ** 30).toFixed(2)} GiB among ${this.memories.length} memories of 4 GiB; ` +
        'give openTeam a larger memory_bytes, or keep the weights in fewer bits.',
    )
  }
}
