/** Keys of the page: single letters, or `g` and a letter, that work wherever nobody is typing. */
import { useEffect, useRef } from 'react'

/** From a key (`event.key`, or its name below), or `g` and a key as "g m", to what it does. */
export type KeyMap = Readonly<Record<string, () => void>>

const names: Readonly<Record<string, string>> = {
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
  Enter: 'enter',
  Escape: 'escape',
}
const leader = 'g'
const leaderLasts_ms = 1000
const maps = new Set<{ current: KeyMap }>()
let ledAt = Number.NEGATIVE_INFINITY
/** Whether the focus was last moved by keys. */
let isByKeys = true
const notePointer = () => {
  isByKeys = false
}

/** Whether a key belongs to the field or dialog that has the focus. */
function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target.closest('dialog[open]')) return true
  if (target instanceof HTMLInputElement) return !['checkbox', 'radio'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}

/** Whether an arrow chooses among the radio buttons that have the focus; where a pointer pressed one, arrows are the view's again. */
const isChoosing = ({ key, target }: KeyboardEvent): boolean =>
  key.startsWith('Arrow') &&
  isByKeys &&
  target instanceof HTMLInputElement &&
  target.type === 'radio'

/** Whether Enter or Space presses the link or button that has the focus. */
function isPress(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' && event.key !== ' ') return false
  return event.target instanceof Element && event.target.closest('a, button, summary') !== null
}

function listen(event: KeyboardEvent): void {
  if (event.key === 'Tab') isByKeys = true
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
  if (isTyping(event.target) || isPress(event) || isChoosing(event)) return
  const led = event.timeStamp - ledAt < leaderLasts_ms
  ledAt = Number.NEGATIVE_INFINITY
  const key = names[event.key] ?? event.key
  const chord = led ? `${leader} ${key}` : key
  const act = actOf(chord)
  if (act) {
    event.preventDefault()
    act()
  } else if (chord === leader) ledAt = event.timeStamp
}

/** The map that was mounted last, so the view before the frame, is asked first. */
function actOf(chord: string): (() => void) | undefined {
  const map = [...maps].reverse().find(({ current }) => Object.hasOwn(current, chord))
  return map?.current[chord]
}

/** Chords that do something now. */
export const liveKeys = (): ReadonlySet<string> =>
  new Set([...maps].flatMap(({ current }) => Object.keys(current)))

/** Does what a chord does now, as if it had been pressed outside of any field. */
export function pressKey(chord: string): void {
  actOf(chord)?.()
}

/** Listens for keys while the component is mounted; keys with Ctrl, Meta or Alt are left to the browser. */
export function useKeys(map: KeyMap): void {
  const latest = useRef(map)
  useEffect(() => {
    latest.current = map
  })
  useEffect(() => {
    if (maps.size === 0) {
      window.addEventListener('keydown', listen)
      window.addEventListener('pointerdown', notePointer, { capture: true })
    }
    maps.add(latest)
    return () => {
      maps.delete(latest)
      if (maps.size > 0) return
      window.removeEventListener('keydown', listen)
      window.removeEventListener('pointerdown', notePointer, { capture: true })
    }
  }, [])
}
