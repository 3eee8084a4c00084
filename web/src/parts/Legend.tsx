/** The line above the grid: how to read it, or what the lit latent does in this text. */

import { latentName, parseLatentKey, visiblePiece } from '../format/names.ts'
import { short } from '../format/numbers.ts'
import type { Sheet } from '../state/sheet.ts'
import { LabelText } from './LatentLink.tsx'

/** One line of constant height. */
export function Legend(props: {
  sheet: Sheet
  lit: string | undefined
  locked: string | undefined
  onUnlock: () => void
}) {
  const { sheet, lit, locked } = props
  const latent = parseLatentKey(lit)
  const chip = latent && sheet.chip(latent.sae, latent.index)
  const trace = lit === undefined ? undefined : sheet.trace(lit)
  // A special token counts where it is read.
  const n_read = sheet.tokens.filter((t, c) => !t.special || trace?.columns.has(c)).length
  let peak: { column: number; act: number } | undefined
  for (const [column, { act }] of trace?.columns ?? []) {
    if (!peak || act > peak.act) peak = { column, act }
  }
  return (
    <div className="legend">
      {chip && trace && peak ? (
        <p>
          <span className="place">{latentName(chip.hook, chip.index)}</span>{' '}
          <LabelText chip={chip} />{' '}
          <span className="quiet">
            among the strongest on {trace.columns.size} of {n_read} tokens, most on{' '}
            <bdi className="piece">
              {visiblePiece(sheet.tokens[peak.column]?.piece ?? '', 'shown')}
            </bdi>{' '}
            ({short(peak.act)})
          </span>
        </p>
      ) : (
        <p className="quiet">
          <span className="only-wide">
            Read a column downwards: the token, what each layer makes of it, what is predicted next.{' '}
          </span>
          {sheet.full_effect === undefined ? (
            <>
              <span className="swatch" aria-hidden="true" /> activation as a share of the latent’s
              maximum
            </>
          ) : (
            <>
              <span className="swatch both" aria-hidden="true" /> lowers or raises the{' '}
              {sheet.rank === 'predicted' ? 'predicted' : 'actual'} next token, full at ±
              {short(sheet.full_effect)} logits
            </>
          )}
        </p>
      )}
      {locked !== undefined && (
        <button type="button" className="action" onClick={props.onUnlock}>
          unlock <kbd>Esc</kbd>
        </button>
      )}
    </div>
  )
}
