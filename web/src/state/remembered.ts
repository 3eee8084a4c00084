/** Small things kept in this browser; without storage (private windows) they last for the page. */
import { useCallback, useState } from 'react'

const inMemory = new Map<string, string>()

/** Reads a remembered text. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(`hooke.${key}`) ?? undefined
  } catch {
    return inMemory.get(key)
  }
}

/** Remembers a text. */
export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`hooke.${key}`, value)
  } catch {
    inMemory.set(key, value)
  }
}

/** A remembered text as state. */
export function useRemembered(key: string, initial: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => recall(key) ?? initial)
  const set = useCallback(
    (next: string) => {
      setValue(next)
      remember(key, next)
    },
    [key],
  )
  return [value, set]
}
