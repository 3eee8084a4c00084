/** Whether the server answers, for the bar that says so. */
import { useSyncExternalStore } from 'react'
import type { LinkState } from '../api/live.ts'

let current: LinkState = 'connecting'
const listeners = new Set<() => void>()

/** Sets the state of the line to the server. */
export function setLinkState(next: LinkState): void {
  if (next === current) return
  current = next
  for (const listener of listeners) listener()
}

const subscribe = (listener: () => void) => {
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
  }
}

/** The state of the line to the server. */
export const useLinkState = (): LinkState => useSyncExternalStore(subscribe, () => current)
