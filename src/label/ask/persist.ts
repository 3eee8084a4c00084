/** Patience with a server: when to ask again, and after how long. */
import type { Reservation } from './budget.ts'
import { CallError } from './call.ts'
import type { CallAnswer } from './question.ts'

/** A server that asks for more patience than this is reported instead. */
const LONGEST_WAIT_MS = 120_000

export type Outcome = { readonly answer?: CallAnswer; readonly error?: unknown }

/** Asks until there is an answer, a failure that patience does not mend, or no attempt left. Never rejects. */
export async function persist(
  ask: () => Promise<CallAnswer>,
  { retries, first_delay_ms }: { retries: number; first_delay_ms: number },
  patience: { until_ms: number },
  reserved: Reservation,
  signal: AbortSignal,
): Promise<Outcome> {
  for (let attempt = 0; ; attempt++) {
    try {
      await sleep(patience.until_ms - Date.now(), signal)
      const answer = await ask()
      reserved.settle(answer.usage)
      return { answer }
    } catch (error) {
      const failure = error instanceof CallError ? error : undefined
      const lost = failure?.maybe_paid === true
      const wait_ms = Math.max(failure?.retry_after_ms ?? 0, first_delay_ms * 2 ** attempt)
      const again =
        failure?.may_retry === true &&
        attempt < retries &&
        wait_ms <= LONGEST_WAIT_MS &&
        !signal.aborted
      if (!again || (lost && !reserved.again())) {
        if (lost) reserved.settle(undefined)
        else reserved.release()
        return { error }
      }
      // One that is told to wait tells the others.
      patience.until_ms = Math.max(patience.until_ms, Date.now() + wait_ms)
    }
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (ms <= 0) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal.addEventListener('abort', onAbort, { once: true })
  })
}
