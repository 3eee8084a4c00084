/** One request to the server, and its refusals in its own words. */

/** An answer that is not a success: the server's own words, and its status; status 0 where no server answered. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly status: number
  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** The HTTP methods of the contract. */
export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** What `sendRequest` may be given beside the address. */
export type RequestOptions = {
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal?: AbortSignal | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** What carries it; the global fetch by default. */
  readonly fetch?: (address: string, init: RequestInit) => Response | Promise<Response>
}

/**
 * Sends a request and gives the successful response.
 * @throws ApiError with the server's Problem text, or status 0 where nothing answered; the signal's reason once it aborts.
 */
export async function sendRequest(
  method: Method,
  address: string,
  options: RequestOptions = {},
): Promise<Response> {
  const { body, signal, headers, fetch: carry = fetch } = options
  const init: RequestInit = {
    method,
    headers: { ...headers, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
  }
  let response: Response
  try {
    response = await carry(address, init)
  } catch (cause) {
    if (signal?.aborted) throw cause
    throw new ApiError('Hooke does not answer. Is `hooke serve` still running?', 0, { cause })
  }
  if (response.ok) return response
  throw new ApiError(await problemText(response), response.status)
}

async function problemText(response: Response): Promise<string> {
  const text = await response.text()
  try {
    const parsed: unknown = JSON.parse(text)
    if (parsed && typeof parsed === 'object' && 'error' in parsed) {
      if (typeof parsed.error === 'string') return parsed.error
    }
  } catch {
    // Not JSON: a proxy's page, or a crash; the status says more than its markup.
  }
  return `${response.status} ${response.statusText}: the server gave no reason. Its terminal may.`
}
