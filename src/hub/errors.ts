/** What the Hub refuses or the network loses, said so that a person knows what to do. */

/** Why the Hub did not give what was asked for. */
export type HubFailure =
  | 'gated'
  | 'unauthorized'
  | 'forbidden'
  | 'no-repository'
  | 'no-revision'
  | 'no-file'
  | 'busy'
  | 'server'
  | 'network'
  | 'offline'
  | 'damaged'
  | 'refused'

/** The Hub, or the way to it, failed; callers branch on `reason`. */
export class HubError extends Error {
  readonly reason: HubFailure

  constructor(reason: HubFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'HubError'
    this.reason = reason
  }
}

/** Says on standard error what went another way than asked, though it went well. */
export function warn(message: string): void {
  process.emitWarning(message, 'HubWarning')
}

/** What was asked of the Hub, in words. */
export type Asked = {
  /** `google/gemma-2-2b` */
  readonly name: string
  /** The file that is asked for. */
  readonly file?: string | undefined
  readonly endpoint: string
  readonly hasToken: boolean
  /** Dataset pages lie below `/datasets`. */
  readonly type?: 'model' | 'dataset'
}

/**
 * The error for an answer of status 400 or more. The Hub tells cases apart by X-Error-Code (`GatedRepo`, `RepoNotFound`,
 * `RevisionNotFound`, `EntryNotFound`) and X-Error-Message.
 */
export async function explainAnswer(response: Response, asked: Asked): Promise<HubError> {
  const { status, headers } = response
  const kind = headers.get('x-error-code')
  const said = headers.get('x-error-message') ?? (await errorInBody(response))
  const { name, endpoint, hasToken } = asked
  const what = subjectOf(asked)
  const page = `${endpoint}/${asked.type === 'dataset' ? 'datasets/' : ''}${name}`
  const newToken = `${endpoint}/settings/tokens`
  const answer = `(${[`status ${status}`, kind, said].filter(Boolean).join(', ')})`

  if (kind === 'GatedRepo') {
    const refused = status === 403 || /await|review|reject/i.test(said ?? '')
    return new HubError(
      'gated',
      hasToken && refused
        ? `${what}: the repository is gated, and your account has no access to it. Visit ${page}, accept its conditions with the account of HF_TOKEN, and run this again once access is granted. ${answer}`
        : `${what}: the repository is gated. Visit ${page}, accept its conditions, make a token that may read at ${newToken}, and set HF_TOKEN to it. ${answer}`,
    )
  }
  if (kind === 'RevisionNotFound')
    return new HubError(
      'no-revision',
      `${what}: the repository has no such revision. Branches, tags and commits are listed at ${page}/commits/main. ${answer}`,
    )
  if (kind === 'EntryNotFound')
    return new HubError(
      'no-file',
      `${what}: the repository has no such file or folder at that revision. Its files are listed at ${page}/tree/main. ${answer}`,
    )
  const badToken = status === 401 && /invalid (credentials|username)|token/i.test(said ?? '')
  if (badToken && hasToken && kind !== 'RepoNotFound')
    return new HubError(
      'unauthorized',
      `${what}: the Hub does not accept the token in HF_TOKEN (or in HF_HOME/token). Make a new one at ${newToken}, or unset it for public repositories. ${answer}`,
    )
  if (kind === 'RepoNotFound' || status === 404 || status === 401)
    return new HubError(
      'no-repository',
      `${what}: ${endpoint} has no such repository, or it is private${hasToken ? ' and HF_TOKEN may not read it' : ' and needs HF_TOKEN'}. Check the spelling of owner/name. ${answer}`,
    )
  if (status === 403)
    return new HubError(
      'forbidden',
      `${what}: the Hub forbids it. The token in HF_TOKEN may lack the right (to read this repository, or to write); tokens are made at ${newToken}. ${answer}`,
    )
  if (status === 429)
    return new HubError(
      'busy',
      `${what}: the Hub asks to wait, too many requests were made${waitText(headers)}. Run it again later; what was fetched is kept. ${answer}`,
    )
  if (status >= 500 || status === 408)
    return new HubError(
      'server',
      `${what}: the Hub or its storage failed, several times in a row. Run it again later; what was fetched is kept. ${answer}`,
    )
  return new HubError('refused', `${what}: the Hub refused the request. ${answer}`)
}

/** The error for a connection that failed, as `fetch` threw it. */
export function explainConnection(cause: unknown, asked: Asked): HubError {
  const { endpoint } = asked
  return new HubError(
    'network',
    `${subjectOf(asked)}: no connection to ${endpoint} (${reasonOf(cause)}). Check the network and HF_ENDPOINT (a proxy in HTTPS_PROXY is used with NODE_USE_ENV_PROXY=1); with HF_HUB_OFFLINE=1 only what was fetched before is used.`,
    { cause },
  )
}

const subjectOf = ({ name, file }: Asked): string =>
  file === undefined ? name : `${name}: ${file}`

/** `fetch failed` says nothing; its causes do. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause.cause
  if (inner instanceof Error) return reasonOf(inner)
  const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : ''
  return cause.message || code || cause.name
}

/** Seconds that an answer asks to wait: Retry-After in seconds or as a date, or `t=` of the RateLimit header. */
export function askedWait_ms(headers: Headers): number | undefined {
  const after = headers.get('retry-after')
  if (after !== null) {
    const seconds = /^\d+(\.\d+)?$/.test(after.trim())
      ? Number(after)
      : (Date.parse(after) - Date.now()) / 1000
    if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  }
  const limit = /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')
  return limit === null ? undefined : Number(limit[1]) * 1000
}

function waitText(headers: Headers): string {
  const ms = askedWait_ms(headers)
  return ms === undefined ? '' : ` (${Math.ceil(ms / 1000)} s)`
}

/** The `error` of a JSON answer, or nothing: a web page is no explanation. */
async function errorInBody(response: Response): Promise<string | undefined> {
  if (!response.headers.get('content-type')?.includes('json')) return undefined
  const text = await response.text().catch(() => '')
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'error' in body) return String(body.error)
  } catch {
    return undefined // the status alone must do
  }
  return undefined
}
