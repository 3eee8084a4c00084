/** What a search found: one row a latent, and what stands above and below the rows. */
import type { ReactNode } from 'react'
import type { LatentChip } from '../../../src/api/index.ts'
import { percent } from '../format/numbers.ts'
import { LatentLink, LikeLink, SteerLink } from './LatentLink.tsx'
import { Term } from './Term.tsx'

/** One latent: its name and label, why it was found, numbers, and how to steer with it. */
export function HitRow(props: {
  hit: LatentChip
  why?: ReactNode
  /** A number besides the density, said at its left. */
  value?: ReactNode
  chosen?: boolean
}) {
  const { hit } = props
  return (
    <li
      className={props.value === undefined ? 'hit' : 'hit measured'}
      aria-current={props.chosen || undefined}
    >
      <LatentLink chip={hit} />
      <span className="hit-why quiet">{props.why}</span>
      {props.value !== undefined && <span className="value">{props.value}</span>}
      <span className="value">{percent(hit.density)}</span>
      <span className="hit-actions">
        <LikeLink sae={hit.sae} index={hit.index} />
        <SteerLink sae={hit.sae} index={hit.index} />
      </span>
    </li>
  )
}

/** How much was found, and the names of the number columns. */
export function HitHead(props: { value?: ReactNode; children: ReactNode }) {
  return (
    <div className={props.value === undefined ? 'hit-head quiet' : 'hit-head measured quiet'}>
      <p className="hit-count" role="status">
        {props.children}
      </p>
      {props.value !== undefined && <span>{props.value}</span>}
      <Term of="density">density</Term>
    </div>
  )
}

/** What was left out, one sentence; nothing where nothing was. */
export function LeftOut(props: { words: readonly string[]; children?: ReactNode }) {
  if (props.words.length === 0 && !props.children) return null
  return (
    <p className="quiet left-out">
      {props.words.length > 0 && <>Left out: {props.words.join('; ')}. </>}
      {props.children}
    </p>
  )
}
