/** The tokens of a text as switches: by pointer, touch, or arrow keys and space. */
import { type KeyboardEvent, useRef, useState } from 'react'
import type { TokenView } from '../../../src/api/index.ts'
import { visiblePiece } from '../format/names.ts'

/** None chosen stands for all; special tokens cannot be chosen. */
export function TokenChooser(props: {
  tokens: readonly TokenView[]
  chosen: readonly number[]
  onChange: (chosen: number[]) => void
}) {
  const { tokens, chosen } = props
  const group = useRef<HTMLDivElement>(null)
  const first = Math.max(
    0,
    tokens.findIndex((token) => !token.special),
  )
  const [cursor, setCursor] = useState(first)
  const at = Math.min(cursor, tokens.length - 1)
  const on = new Set(chosen)
  const toggle = (i: number) => {
    const next = on.has(i) ? chosen.filter((other) => other !== i) : [...chosen, i]
    props.onChange(next.sort((a, b) => a - b))
  }
  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    let next = at + step
    while (tokens[next]?.special) next += step
    if (step === 0 || !tokens[next]) return
    event.preventDefault()
    setCursor(next)
    group.current?.querySelector<HTMLElement>(`[data-at="${next}"]`)?.focus()
  }
  return (
    // biome-ignore lint/a11y/useSemanticElements: switches in running text, not fields of a form
    <div
      ref={group}
      className="token-chooser"
      role="group"
      aria-label="Tokens that count; none chosen is all of them"
      onKeyDown={move}
    >
      {tokens.map((token, i) => (
        <button
          // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
          key={i}
          type="button"
          data-at={i}
          tabIndex={i === at ? 0 : -1}
          disabled={token.special}
          aria-pressed={on.has(i)}
          onClick={() => {
            setCursor(i)
            toggle(i)
          }}
        >
          {visiblePiece(token.piece, 'shown')}
        </button>
      ))}
    </div>
  )
}
