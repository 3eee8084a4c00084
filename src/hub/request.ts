/**
 * Requests to the Hub: the token goes to the endpoint's own host and nowhere else, redirects are followed by hand so that
 * this holds for every hop, and what fails for a moment is tried again, ever more slowly, a bounded number of times.
 */
import { setTimeout } from 'node:timers/promises'
import { packageVersion } from '../files/index.ts'
import { type Asked, askedWait_ms, explainAnswer, explainConnection, HubError } from './errors.ts'
import type { HubSettings } from './settings.ts'

export type HubRequest = {
  /** `owner/name`, and a file in it: for messages. */
  readonly name: string
  readonly file?: string
  readonly type?: 'model' | 'dataset'
  readonly method?: string
  readonly headers?: RequestInit['headers']
  readonly body?: RequestInit['body']
  readonly signal?: AbortSignal | undefined
  /** Statuses of 400 and more that are answers to the caller, not failures. */
  readonly accept?: readonly number[]
}

const MAX_REDIRECTS = 8
/** A server that asks to wait longer is not waited for. */
const MAX_WAIT_MS = 120_000

/**
 * @returns the last answer, and the headers of the endpoint's own, which tell commit and checksum before a redirect.
 * @throws HubError for refusals, and for failures that lasted; the signal's reason when it aborts.
 */
export async function request(
  settings: HubSettings,
  url: string,
  wanted: HubRequest,
): Promise<{ response: Response; first: Headers }> {
  const { name, file, type, signal, accept = [] } = wanted
  const asked: Asked = {
    name,
    file,
    endpoint: settings.endpoint,
    hasToken: settings.token !== undefined,
    ...(type === undefined ? {} : { type }),
  }
  if (settings.offline)
    throw new HubError(
      'offline',
      `${name}: HF_HUB_OFFLINE (or --offline) is set, so nothing is asked of ${settings.endpoint}. Unset it to fetch.`,
    )
  for (let failures = 0; ; failures++) {
    let pause_ms = settings.retry_ms * 2 ** failures * (0.75 + Math.random() / 2)
    try {
      const answer = await followRedirects(settings, url, wanted)
      const { status, headers } = answer.response
      if (status < 400 || accept.includes(status)) return answer
      const wait_ms = askedWait_ms(headers)
      if (failures >= settings.n_retries || !isPassing(status) || (wait_ms ?? 0) > MAX_WAIT_MS)
        throw await explainAnswer(answer.response, asked)
      await answer.response.body?.cancel()
      pause_ms = wait_ms ?? pause_ms
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof HubError) throw error
      if (failures >= settings.n_retries) throw explainConnection(error, asked)
    }
    await setTimeout(pause_ms, undefined, { signal })
  }
}

/** Failures that may be gone in a moment. */
const isPassing = (status: number): boolean => [408, 429, 500, 502, 503, 504].includes(status)

async function followRedirects(
  settings: HubSettings,
  from: string,
  { method = 'GET', headers, body, signal }: HubRequest,
): Promise<{ response: Response; first: Headers }> {
  let url = new URL(from)
  let first: Headers | undefined
  for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
    const sent = new Headers(headers)
    sent.delete('authorization')
    if (settings.token !== undefined && url.origin === new URL(settings.endpoint).origin)
      sent.set('authorization', `Bearer ${settings.token}`)
    sent.set('user-agent', `hooke/${packageVersion()}`)
    const response = await answerWithin(
      body == null ? settings.silence_ms : undefined,
      signal,
      (signal) =>
        fetch(url, { method, headers: sent, body: body ?? null, redirect: 'manual', signal }),
    )
    first ??= response.headers
    const location = response.headers.get('location')
    if (response.status < 300 || response.status >= 400 || location === null)
      return { response, first }
    await response.body?.cancel()
    url = new URL(location, url)
  }
  throw new HubError('refused', `${from}: more than ${MAX_REDIRECTS} redirects, expected a file.`)
}

/** Only the wait for the headers is bounded, and not while something is sent: the signal handed on lives as long as the body. */
async function answerWithin(
  silence_ms: number | undefined,
  signal: AbortSignal | undefined,
  ask: (signal: AbortSignal) => Promise<Response>,
): Promise<Response> {
  const late = new AbortController()
  if (silence_ms === undefined) return ask(signal ?? late.signal)
  const timer = globalThis.setTimeout(
    () => late.abort(new Error(`no answer within ${silence_ms / 1000} s`)),
    silence_ms,
  )
  try {
    return await ask(signal ? AbortSignal.any([signal, late.signal]) : late.signal)
  } finally {
    clearTimeout(timer)
  }
}

/** `request` as the `fetch` that @huggingface/hub asks for; it throws where that would have looked at the status. */
export function fetchAs(
  settings: HubSettings,
  { name, type, signal }: Pick<HubRequest, 'name' | 'type' | 'signal'>,
): typeof fetch {
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input)
    const signals = [signal, init.signal].filter((one) => one != null)
    // A commit that was heard but not answered would be made twice.
    const patience = /\/commit\//.test(url) ? { ...settings, n_retries: 0 } : settings
    const { response } = await request(patience, url, {
      name,
      ...(type === undefined ? {} : { type }),
      method: init.method ?? 'GET',
      headers: init.headers ?? {},
      body: init.body ?? null,
      signal: signals.length === 0 ? undefined : AbortSignal.any(signals),
    })
    return response
  }
}
