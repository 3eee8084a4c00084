/** A value that follows another once it has stood still. */
import { useEffect, useState } from 'react'

/** The value of `ms` ago, if it has not changed since. */
export function useDebounced<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}
