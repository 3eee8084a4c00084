/** What went wrong or is missing, said in the place where it would have stood. */
import type { ReactNode } from 'react'

/** A sentence in place of a result; `action` is what to do about it. */
export function Notice(props: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className="notice">
      <p>{props.children}</p>
      {props.action}
    </div>
  )
}

/** An error in its own words, with a way to try again where there is one. */
export function Failure(props: { error: unknown; onRetry?: () => void }) {
  const text = props.error instanceof Error ? props.error.message : String(props.error)
  return (
    <div className="notice failure" role="alert">
      <p>{text}</p>
      {props.onRetry && (
        <button type="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}
