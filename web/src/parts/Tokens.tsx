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
  /** One line with the peak at a fixed place, so that a list of passages reads as a concordance. */
  aligned?: boolean
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
  const token = (i: number) => {
    const amount = tint(values[i] ?? 0, props.max)
    const piece = pieces[i] ?? ''
    const classes = [
      't',
      amount > 0 && 'on',
      i === peak && 'peak',
      i === cursor && 'at',
      /^[\s↵]+$/.test(piece) && 'blank',
    ]
    return (
      <span
        key={i}
        data-at={i}
        className={classes.filter(Boolean).join(' ')}
        style={amount > 0 ? { '--tint': `${amount}%` } : undefined}
      >
        {visiblePiece(piece)}
      </span>
    )
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
      {props.aligned && peak !== undefined ? (
        <p className="tokens-text aligned">
          <span className="before">
            <span>{pieces.slice(0, peak).map((_, i) => token(i))}</span>
          </span>
          <span className="after">{pieces.slice(peak).map((_, i) => token(peak + i))}</span>
        </p>
      ) : (
        <p className="tokens-text">{pieces.map((_, i) => token(i))}</p>
      )}
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
