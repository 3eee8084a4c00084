/** What went wrong or is missing, said in the place where it would have stood. */
import type { ReactNode } from 'react'
import { ApiError } from '../api/client.ts'

/** A sentence in place of a result; `action` is what to do about it. */
export function Notice(props: { children: ReactNode; action?: ReactNode }) {
  return (
    <div className="notice">
      <p>{props.children}</p>
      {props.action}
    </div>
  )
}

/** An error in its own words, with a way to try again where that could help: what a static copy cannot do it never will. */
export function Failure(props: { error: unknown; onRetry?: () => void }) {
  const { error } = props
  const text = error instanceof Error ? error.message : String(error)
  const isFinal = error instanceof ApiError && error.status === 501
  return (
    <div className="notice failure" role="alert">
      <p>{text}</p>
      {props.onRetry && !isFinal && (
        <button type="button" onClick={props.onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}
