/** What a key asked for before its answer was there. */
import { useEffect, useState } from 'react'

/**
 * Acts once the answer to what was asked is there; not at all where something else is asked by then.
 * @param now what the answer that is shown is to. @param isReady whether it is there.
 * @returns asks, for what is typed where that is ahead of `now`.
 */
export function useWhenReady(
  now: string,
  isReady: boolean,
  act: () => void,
): (typed?: string) => void {
  const [asked, setAsked] = useState<string>()
  useEffect(() => {
    if (asked !== now || !isReady) return
    setAsked(undefined)
    act()
  }, [asked, now, isReady, act])
  return (typed = now) => setAsked(typed)
}
