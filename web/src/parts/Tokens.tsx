/** Running text whose tokens carry a value: tinted, the peak marked, the value said for one token at a time. */
import { type KeyboardEvent, useState } from 'react'
import { visiblePiece } from '../format/names.ts'
import { short } from '../format/numbers.ts'
import { tint } from '../format/tint.ts'

/**
 * One passage. Pointing at a token, tapping it, or moving with the arrow keys says its value at the right; else the
 * largest value stands there. `max` is the value that gets the full tint.
 */
export function Tokens(props: {
  pieces: readonly string[]
  values: readonly number[]
  max: number
  peak?: number | undefined
  /** Said to screen readers before the text. */
  name: string
  cutStart?: boolean
  cutEnd?: boolean
}) {
  const { pieces, values, peak } = props
  const [cursor, setCursor] = useState<number>()
  const shown = cursor ?? peak ?? indexOfMax(values)
  const move = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
    if (step === 0) return
    event.preventDefault()
    setCursor(Math.max(0, Math.min(pieces.length - 1, (shown ?? 0) + step)))
  }
  const point = (target: EventTarget) => {
    const at = target instanceof HTMLElement ? target.dataset.at : undefined
    if (at !== undefined) setCursor(Number(at))
  }
  const value = shown === undefined ? undefined : values[shown]
  return (
    // biome-ignore lint/a11y/useSemanticElements: a group of tokens, not of form fields
    <div
      className="tokens"
      role="group"
      aria-label={`${props.name}: ${pieces.join('')}`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move from token to token
      tabIndex={0}
      onKeyDown={move}
      onPointerOver={(e) => point(e.target)}
      onPointerLeave={(e) => e.pointerType === 'mouse' && setCursor(undefined)}
      onClick={(e) => point(e.target)}
      onBlur={() => setCursor(undefined)}
    >
      <p className="tokens-text">
        {props.cutStart && <span className="cut">…</span>}
        {pieces.map((piece, i) => {
          const amount = tint(values[i] ?? 0, props.max)
          const classes = `t${amount > 0 ? ' on' : ''}${i === peak ? ' peak' : ''}${i === cursor ? ' at' : ''}`
          return (
            <span
              // biome-ignore lint/suspicious/noArrayIndexKey: a token is its position
              key={i}
              data-at={i}
              className={classes}
              style={amount > 0 ? { '--tint': `${amount}%` } : undefined}
            >
              {visiblePiece(piece)}
            </span>
          )
        })}
        {props.cutEnd && <span className="cut">…</span>}
      </p>
      <output className="tokens-value" aria-live="polite">
        <span>{value ? short(value) : '0'}</span>
        {cursor !== undefined && (
          <bdi className="piece quiet">{visiblePiece(pieces[cursor] ?? '', 'shown')}</bdi>
        )}
      </output>
    </div>
  )
}

function indexOfMax(values: readonly number[]): number | undefined {
  let best: number | undefined
  for (const [i, v] of values.entries()) if (best === undefined || v > (values[best] ?? 0)) best = i
  return best
}
