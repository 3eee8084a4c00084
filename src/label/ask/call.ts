/** One question to a language model: repeated where the server asks for patience, and told in words where it fails. */
import { expectedNumbers } from './odds.ts'
import { type Endpoint, openModels, urlOf } from './providers.ts'
import type { CallAnswer, ChatQuestion, Question, SimilarityQuestion, Usage } from './question.ts'

export type CallerOptions = Endpoint & { readonly timeout_ms: number }

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

/** Opens a caller: each call asks once, and throws CallError where there is no answer. */
export async function openCaller(
  endpoint: CallerOptions,
): Promise<(question: Question, signal: AbortSignal) => Promise<CallAnswer>> {
  const where = hostOf(urlOf(endpoint))
  // Loaded only by those who use it: the library is large.
  const ai = await import('ai')
  const models = await openModels(endpoint)
  const clean = (text: string) => redact(text, endpoint.api_key)
  /** What this server is known not to take; it is not asked for again. */
  const refused = { schema: false, odds: false }

  const chat = async (question: ChatQuestion, abortSignal: AbortSignal): Promise<CallAnswer> => {
    const odds = question.odds && !refused.odds ? models.odds_options : undefined
    const schema = refused.schema ? undefined : question.schema
    try {
      const { text, finishReason, usage, providerMetadata } = await ai.generateText({
        model: models.chat,
        instructions: question.system,
        prompt: question.user,
        temperature: 0,
        maxOutputTokens: question.max_output_tokens,
        maxRetries: 0,
        abortSignal,
        ...(odds ? { providerOptions: odds } : {}),
        // The answer is read where it is used: half an answer must be told from a failed call.
        ...(schema
          ? { output: { ...ai.Output.object({ schema }), parseCompleteOutput: asText } }
          : {}),
      })
      const used = usageOf(usage.inputTokens, usage.outputTokens)
      const told = odds && expectedNumbers(Object.values(providerMetadata ?? {})[0]?.logprobs, text)
      return {
        text,
        complete: finishReason !== 'length',
        usage: used,
        ...(told ? { expected: told } : {}),
      }
    } catch (error) {
      // A server that knows neither refuses the whole request; it is then asked in plain words.
      const is_refusal =
        ai.APICallError.isInstance(error) && (error.statusCode === 400 || error.statusCode === 422)
      if (!is_refusal || !(odds || schema)) throw error
      const { odds: _, ...plainer } = question
      const answer = await chat(odds ? plainer : without(plainer, 'schema'), abortSignal)
      refused[odds ? 'odds' : 'schema'] = true
      return answer
    }
  }

  const similarity = async (question: SimilarityQuestion, abortSignal: AbortSignal) => {
    if (models.embedding === undefined)
      throw new CallError(
        `${where}: no embedding model is known here. Name one with --embedding-model, or leave the embedding scorer out.`,
        { fatal: true },
      )
    const { embeddings, usage } = await ai.embedMany({
      model: models.embedding,
      values: [question.query, ...question.texts],
      maxRetries: 0,
      abortSignal,
    })
    const [query, ...texts] = embeddings
    const cosines = texts.map((text) => ai.cosineSimilarity(query ?? [], text))
    return {
      text: JSON.stringify(cosines),
      complete: true,
      usage: usageOf(usage.tokens, 0),
    }
  }

  return async (question, signal) => {
    const timeout = AbortSignal.timeout(endpoint.timeout_ms)
    const abort = AbortSignal.any([signal, timeout])
    try {
      return await (question.kind === 'chat' ? chat(question, abort) : similarity(question, abort))
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof CallError) throw error
      if (timeout.aborted)
        throw new CallError(`${where}: no answer within ${endpoint.timeout_ms / 1000} s`, {
          may_retry: true,
          maybe_paid: true,
        })
      if (!ai.APICallError.isInstance(error))
        throw new CallError(
          `${where}: ${clean(error instanceof Error ? error.message : String(error))}`,
          { maybe_paid: true },
        )
      throw explainFailure(error, where, clean)
    }
  }
}

/** What a server counts; undefined where it counts nothing, or what cannot be: the budget then reckons the highest. */
const usageOf = (input_tokens = Number.NaN, output_tokens = Number.NaN): Usage | undefined =>
  [input_tokens, output_tokens].every((n) => n >= 0 && Number.isFinite(n))
    ? { input_tokens, output_tokens }
    : undefined

function without<T extends object, K extends keyof T>(of: T, name: K): Omit<T, K> {
  const { [name]: _, ...rest } = of
  return rest
}

const asText = ({ text }: { text: string }) => Promise.resolve(text)

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
