/** Many pieces of work at once. */

/**
 * Works on items side by side and yields each result as soon as it is there (not in order). Leaving the loop waits for what is
 * under way, so whoever leaves it aborts that first.
 * @param width most pieces of work under way at once.
 * @param isOver asked before each item; true takes no more of them.
 * @throws what `work` throws.
 */
export async function* sideBySide<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  { width, isOver = () => false }: { width: number; isOver?: () => boolean },
  work: (item: T) => Promise<R>,
): AsyncGenerator<R, void, void> {
  const source =
    Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  const running = new Map<number, Promise<{ id: number; result: R }>>()
  let ended = false
  let next_id = 0
  try {
    for (;;) {
      while (!ended && running.size < width && !isOver()) {
        const next = await source.next()
        if (next.done) ended = true
        else {
          const id = next_id++
          running.set(
            id,
            work(next.value).then((result) => ({ id, result })),
          )
        }
      }
      if (running.size === 0) return
      const { id, result } = await Promise.race(running.values())
      running.delete(id)
      yield result
    }
  } finally {
    await Promise.allSettled(running.values())
    await source.return?.()
  }
}
