/** The latents of one site on one token: a button each, that lights where else they are active. */
import { Link } from '@tanstack/react-router'
import { memo } from 'react'
import { latentKey } from '../format/names.ts'
import { short, signed } from '../format/numbers.ts'
import type { ActiveLatent, Sheet, SheetRow } from '../state/sheet.ts'
import { LabelText, SteerLink } from './LatentLink.tsx'
import { Term } from './Term.tsx'

/** What is lit, what is locked, and what hovering and pressing do. */
export type Chosen = {
  readonly lit: string | undefined
  readonly locked: string | undefined
  readonly onHoverLatent: (key: string | undefined) => void
  readonly onLock: (key: string) => void
}

/** A site by its name, with all its latents where it is in focus and its strongest elsewhere. */
export const SiteLatents = memo(function SiteLatents(
  props: Chosen & { sheet: Sheet; column: number; row: SheetRow; focused: boolean },
) {
  const { sheet, row, column, focused, ...chosen } = props
  const all = row.cells?.[column]
  const shown = focused ? all : all?.slice(0, 1)
  return (
    <section className={focused ? 'site in-focus' : 'site'}>
      <h3 title={row.hook}>
        {row.name}
        {row.variant && <span className="variant">{row.variant}</span>}
      </h3>
      <ol>
        {shown?.map((active) => (
          <li key={active.index} className="chip">
            <LatentRow sheet={sheet} row={row} active={active} {...chosen} />
            {focused && (
              <span className="chip-actions">
                <Link
                  to="/latent/$sae/$index"
                  params={{ sae: row.sae, index: String(active.index) }}
                  className="action"
                  aria-label={`Open latent ${active.index}`}
                >
                  open
                </Link>
                <SteerLink sae={row.sae} index={active.index} />
              </span>
            )}
          </li>
        ))}
        {!row.cells && <li className="quiet">{row.waitingFor}</li>}
        {row.cells && !all?.length && <li className="quiet">nothing shown here</li>}
      </ol>
      {focused && row.cells && (
        <p className="site-facts quiet">
          {row.l0?.[column] ?? '–'} active, <Term of="fvu">FVU</Term> {short(row.fvu?.[column])}
        </p>
      )}
    </section>
  )
})

/** One latent as a button: how strong, what it is called, and its activation or effect. */
export function LatentRow(props: Chosen & { sheet: Sheet; row: SheetRow; active: ActiveLatent }) {
  const { sheet, row, active } = props
  const key = latentKey(row.sae, active.index)
  const chip = sheet.chip(row.sae, active.index)
  const weight = sheet.weight(row, active)
  return (
    <button
      type="button"
      className={key === props.lit ? 'chip-main lit' : 'chip-main'}
      aria-pressed={key === props.locked}
      title={chip?.label}
      onPointerEnter={(e) => e.pointerType === 'mouse' && props.onHoverLatent(key)}
      onPointerLeave={() => props.onHoverLatent(undefined)}
      onFocus={() => props.onHoverLatent(key)}
      onBlur={() => props.onHoverLatent(undefined)}
      onClick={() => props.onLock(key)}
    >
      <span className={weight < 0 ? 'meter down' : 'meter'}>
        <span style={{ inlineSize: `${Math.min(1, Math.abs(weight)) * 100}%` }} />
      </span>
      <LabelText chip={chip} />
      <span className="value">
        {active.effect === undefined ? short(active.act) : signed(active.effect, short)}
      </span>
    </button>
  )
}
