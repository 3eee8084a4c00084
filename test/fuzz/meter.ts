/** Counts what typed arrays allocate: a reader that believes a header takes memory before it finds out. */

const ARRAYS = [
  'ArrayBuffer', 'SharedArrayBuffer', 'Uint8Array', 'Int8Array', 'Uint8ClampedArray', 'Uint16Array', 'Int16Array', 'Float16Array',
  'Uint32Array', 'Int32Array', 'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array',
] as const // biome-ignore format: one list

/** Bytes that constructors of typed arrays were asked for since the start. */
export type Meter = { readonly allocated_bytes: () => number }

/**
 * Puts counting constructors in place of the global ones of this thread; what is imported later uses them. Their own slices
 * and the runtime's insides are not counted: the process's memory shows those.
 */
export function installMeter(): Meter {
  let allocated_bytes = 0
  for (const name of ARRAYS) {
    const Original = globalThis[name] as unknown as new (...args: unknown[]) => object
    const width = (Original as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1
    const Counting: typeof Original = new Proxy(Original, {
      construct(target, args, newTarget) {
        const [first] = args as [unknown]
        // A view of a buffer takes nothing.
        if (typeof first === 'number') allocated_bytes += Math.max(0, first) * width || 0
        else if (ArrayBuffer.isView(first) || Array.isArray(first)) {
          allocated_bytes += (first as { length?: number }).length! * width || 0
        }
        return Reflect.construct(target, args, newTarget === Counting ? target : newTarget)
      },
    })
    Object.defineProperty(globalThis, name, { value: Counting, configurable: true, writable: true })
  }
  return { allocated_bytes: () => allocated_bytes }
}
