/** State that stands in the URL, yet answers at once: the address is written when the state stands still. */
import { useCallback, useEffect, useRef, useState } from 'react'

/**
 * A value that starts as the address says and follows it when it changes from outside (back, a link).
 * @param address the value as the URL has it now; compared as JSON.
 * @param write puts a value into the URL; called `ms` after the last change.
 */
export function useAddressed<T>(
  address: T,
  write: (value: T) => void,
  ms = 250,
): [T, (next: T | ((old: T) => T)) => void] {
  const text = JSON.stringify(address)
  const [value, setValue] = useState(address)
  const [seen, setSeen] = useState(text)
  // What this page wrote and has not seen arrive: its arrival is no news, and must not undo what was changed since.
  const [onTheWay, setOnTheWay] = useState<readonly string[]>([])
  const latestWrite = useRef(write)
  useEffect(() => {
    latestWrite.current = write
  })
  if (text !== seen) {
    setSeen(text)
    const arrived = onTheWay.indexOf(text)
    if (arrived < 0) setValue(address)
    setOnTheWay(onTheWay.slice(arrived + 1))
  }
  const valueText = JSON.stringify(value)
  useEffect(() => {
    if (valueText === seen) return
    const path = viewPath()
    const timer = setTimeout(() => {
      // Another view is on its way: writing now would call this one back.
      if (viewPath() !== path) return
      setOnTheWay((old) => [...old, valueText])
      latestWrite.current(JSON.parse(valueText) as T)
    }, ms)
    return () => clearTimeout(timer)
  }, [valueText, seen, ms])
  const set = useCallback((next: T | ((old: T) => T)) => setValue(next), [])
  return [value, set]
}

/** The view's part of the address; a static copy has it behind the `#`. */
const viewPath = () => location.pathname + location.hash.split('?')[0]
