/** One question to a language model: repeated where the server asks for patience, and told in words where it fails. */
import type { Usage } from './cost.ts'
import { MAX_OUTPUT_TOKENS } from './cost.ts'
import type { Prompt } from './prompts.ts'

export type Endpoint = {
  readonly base_url: string
  readonly api_key?: string | undefined
  readonly model: string
  readonly retries: number
  readonly first_delay_ms: number
  readonly timeout_ms: number
}

/** A call that gave no answer. `fatal`: no other call would do better. `maybe_paid`: the server may have computed it. */
export class CallError extends Error {
  readonly fatal: boolean
  readonly retry_after_ms: number | undefined
  readonly may_retry: boolean
  readonly maybe_paid: boolean

  // No `cause`: what the client library throws can hold what the server said, and some servers repeat the key.
  constructor(
    message: string,
    kind: {
      fatal?: boolean
      may_retry?: boolean
      maybe_paid?: boolean
      retry_after_ms?: number | undefined
    } = {},
  ) {
    super(message)
    this.name = 'CallError'
    this.fatal = kind.fatal ?? false
    this.may_retry = kind.may_retry ?? false
    this.maybe_paid = kind.maybe_paid ?? false
    this.retry_after_ms = kind.retry_after_ms
  }
}

export type CallAnswer = {
  readonly text: string
  /** False where it was cut at its longest. */
  readonly complete: boolean
  /** Absent where the server does not count. */
  readonly usage: Usage | undefined
}

/** Opens a caller for an OpenAI-compatible server. */
export async function openCaller(
  endpoint: Endpoint,
): Promise<(prompt: Prompt, signal: AbortSignal) => Promise<CallAnswer>> {
  // Loaded only by those who use it: the library is large.
  const { generateText, APICallError } = await import('ai')
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
  const provider = createOpenAICompatible({
    name: 'explainer',
    baseURL: endpoint.base_url,
    ...(endpoint.api_key === undefined ? {} : { apiKey: endpoint.api_key }),
  })
  const where = hostOf(endpoint.base_url)
  const clean = (text: string) => redact(text, endpoint.api_key)
  return async ({ system, user }, signal) => {
    const timeout = AbortSignal.timeout(endpoint.timeout_ms)
    try {
      const { text, finishReason, usage } = await generateText({
        model: provider.chatModel(endpoint.model),
        instructions: system,
        prompt: user,
        temperature: 0,
        maxOutputTokens: MAX_OUTPUT_TOKENS,
        maxRetries: 0,
        abortSignal: AbortSignal.any([signal, timeout]),
      })
      const used =
        usage.inputTokens === undefined || usage.outputTokens === undefined
          ? undefined
          : { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens }
      return { text, complete: finishReason !== 'length', usage: used }
    } catch (error) {
      signal.throwIfAborted()
      if (timeout.aborted)
        throw new CallError(`${where}: no answer within ${endpoint.timeout_ms / 1000} s`, {
          may_retry: true,
          maybe_paid: true,
        })
      if (!APICallError.isInstance(error))
        throw new CallError(
          `${where}: ${clean(error instanceof Error ? error.message : String(error))}`,
          { maybe_paid: true },
        )
      throw explainFailure(error, where, clean)
    }
  }
}

type Failure = {
  readonly message: string
  readonly statusCode?: number | undefined
  readonly responseHeaders?: Record<string, string> | undefined
  readonly isRetryable: boolean
}

function explainFailure(error: Failure, where: string, clean: (text: string) => string): CallError {
  const { statusCode: status, message } = error
  const said = clean(message)
  if (status === undefined || (status < 300 && error.isRetryable))
    return new CallError(`${where}: connection failed (${said})`, {
      may_retry: true,
      maybe_paid: true,
    })
  if (status < 300)
    return new CallError(`${where}: the answer is damaged (${said})`, { maybe_paid: true })
  if (status === 401 || status === 403)
    return new CallError(
      `${where}: the server refuses the key (status ${status}: ${said}). Give a valid key for this server.`,
      { fatal: true },
    )
  if (status === 404)
    return new CallError(
      `${where}: not found (status 404: ${said}). Are the base URL and the model's name right?`,
      { fatal: true },
    )
  if (status === 408 || status === 409 || status === 429 || status >= 500)
    return new CallError(`${where}: status ${status}: ${said}`, {
      may_retry: true,
      retry_after_ms: retryAfter(error.responseHeaders ?? {}),
    })
  return new CallError(`${where}: status ${status}: ${said}`)
}

/** Milliseconds that `retry-after-ms` or `retry-after` (seconds or a date) ask to wait; undefined where neither does. */
export function retryAfter(headers: Record<string, string>, now = Date.now()): number | undefined {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (ms >= 0) return ms
  const after = headers['retry-after']
  if (after === undefined) return undefined
  const seconds = Number(after)
  if (seconds >= 0) return seconds * 1000
  const date = Date.parse(after)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

/** Takes the key, and anything that looks like one, out of a text. */
export function redact(text: string, key: string | undefined): string {
  const without = key === undefined || key === '' ? text : text.replaceAll(key, '[key]')
  return without.replaceAll(/\b(?:sk|key|Bearer)[-_ ][\w*.-]{6,}/g, '[key]')
}

function hostOf(base_url: string): string {
  if (!URL.canParse(base_url))
    throw new TypeError(
      `base URL ${JSON.stringify(redact(base_url, undefined))} is no URL, expected one like http://127.0.0.1:11434/v1`,
    )
  return new URL(base_url).host
}
