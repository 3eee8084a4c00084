/** What the microscope does not show, and what is still to come. */
import { Link } from '@tanstack/react-router'
import type { Run } from '../../../src/api/index.ts'
import { remaining } from '../format/numbers.ts'
import { runMessage } from '../state/runs.ts'
import type { SheetRow } from '../state/sheet.ts'
import { Notice } from './Notice.tsx'

/** In place of the grid while no suite is planned: how far the work is. */
export function Coming(props: { run: Run | undefined }) {
  const { run } = props
  return (
    <section className="coming" aria-label="What is to come">
      {run ? (
        <p>{runMessage(run)}</p>
      ) : (
        <p>
          The workspace holds no suite yet. <code>hooke demo</code> makes one from the bundled
          model, <code>hooke train</code> from yours.
        </p>
      )}
      {run && (
        <>
          <progress max={1} value={run.progress} aria-label={run.message} />
          <p className="quiet">
            {remaining(run.remaining_ms)} <Link to="/suite">Watch the work</Link>
          </p>
        </>
      )}
    </section>
  )
}

/** Below the grid: what is not shown and why, how to show it, and what is still to come. */
export function LeftOut(props: {
  words: readonly string[]
  dense: boolean
  special: boolean
  onDense: (dense: boolean) => void
  onSpecial: (special: boolean) => void
  rows: readonly SheetRow[]
  run: Run | undefined
}) {
  const coming = props.rows.filter((row) => row.waitingFor !== undefined)
  const { run } = props
  return (
    <div className="left-out">
      <div className="left-out-line">
        <p>
          {props.words.length > 0 ? `Left out: ${props.words.join('; ')}.` : 'Nothing is left out.'}
        </p>
        <label className="check">
          <input
            type="checkbox"
            checked={props.special}
            onChange={(e) => props.onSpecial(e.target.checked)}
          />
          read special tokens
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={props.dense}
            onChange={(e) => props.onDense(e.target.checked)}
          />
          show dense latents
        </label>
      </div>
      {props.rows.length === 0 && !run && (
        <Notice>
          No dictionary is trained for this model yet. Tokens, their loss and the predictions are
          known without one. <code>hooke train</code> makes one for every layer.
        </Notice>
      )}
      {(coming.length > 0 || run) && (
        <p>
          {coming.length > 0 &&
            coming.length < props.rows.length &&
            `To come: ${coming.map((row) => row.name).join(', ')}. `}
          {run && (
            <>
              <span className="now">{runMessage(run)}</span>
              {run.remaining_ms !== undefined && `, ${remaining(run.remaining_ms)}`}.{' '}
              {coming.length > 0
                ? 'Rows fill as layers are trained. '
                : 'Strengths and labels follow. '}
              <Link to="/suite">Watch the work</Link>
            </>
          )}
        </p>
      )}
    </div>
  )
}
