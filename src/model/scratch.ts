/** Arrays that live from call to call. */

/** One array a role, so that a pass allocates only what it returns. */
export class Scratch {
  readonly #arrays = new Map<string, Float32Array>()

  /** An array for a role; what it held is gone when the role is asked for again. */
  take(role: string, length: number): Float32Array {
    const held = this.#arrays.get(role)
    if (held !== undefined && held.length >= length) return held.subarray(0, length)
    const fresh = new Float32Array(length)
    this.#arrays.set(role, fresh)
    return fresh
  }
}
