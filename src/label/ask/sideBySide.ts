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
  /** Asked for and not here yet: what is done meanwhile does not wait for it. */
  let coming: Promise<{ next: IteratorResult<T> }> | undefined
  let ended = false
  let next_id = 0
  try {
    for (;;) {
      if (!ended && running.size < width && !isOver())
        coming ??= Promise.resolve(source.next()).then((next) => ({ next }))
      if (running.size === 0 && coming === undefined) return
      const first = await Promise.race([...running.values(), ...(coming ? [coming] : [])])
      if ('id' in first) {
        running.delete(first.id)
        yield first.result
        continue
      }
      coming = undefined
      if (first.next.done || isOver()) ended = true
      else {
        const id = next_id++
        running.set(
          id,
          work(first.next.value).then((result) => ({ id, result })),
        )
      }
    }
  } finally {
    await Promise.allSettled([...running.values(), coming])
    await source.return?.()
  }
}
