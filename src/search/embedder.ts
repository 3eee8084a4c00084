/** Texts to vectors of unit length: by an OpenAI-compatible API, or by a sentence encoder in ONNX on this machine. */
import type { EmbedderSource } from '../store/index.ts'
import { openOnnxEmbedder } from './onnxEmbedder.ts'

/** An open embedder. */
export type Embedder = {
  readonly source: EmbedderSource
  /** One vector a text, of norm 1. @throws Error if it does not answer, or not with one vector of numbers a text. */
  embed(
    texts: readonly string[],
    as: 'query' | 'text',
    signal?: AbortSignal,
  ): Promise<Float32Array[]>
  close(): Promise<void>
}

/** What turns texts, prefix and all, into vectors of any norm. */
export type RawEmbedder = {
  embed(texts: readonly string[], signal?: AbortSignal): Promise<ArrayLike<number>[]>
  close(): Promise<void>
}

/** The key of an embeddings API: from the environment, and sent to its URL only. */
const keyFromEnvironment = (): string | undefined =>
  process.env.HOOKE_EMBED_API_KEY ?? process.env.OPENAI_API_KEY

/**
 * Opens an embedder. The key of an API is HOOKE_EMBED_API_KEY or OPENAI_API_KEY of the environment.
 * @throws FileError, FormatError or HubError where the encoder's files are not what they should be.
 */
export async function openEmbedder(
  source: EmbedderSource,
  options: { threads?: number } = {},
): Promise<Embedder> {
  const raw =
    source.kind === 'api'
      ? await openApi(source)
      : await openOnnxEmbedder(source.model, options.threads ?? 2)
  return {
    source,
    async embed(texts, as, signal) {
      const prefix = (as === 'query' ? source.query_prefix : source.text_prefix) ?? ''
      const vectors = await raw.embed(
        texts.map((text) => prefix + text),
        signal,
      )
      return vectors.map((vector) => unit(vector, source.model))
    },
    close: () => raw.close(),
  }
}

async function openApi(source: EmbedderSource): Promise<RawEmbedder> {
  const api_key = keyFromEnvironment()
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
  const { embedMany } = await import('ai')
  const provider = createOpenAICompatible({
    name: 'embeddings',
    baseURL: source.base_url ?? 'https://api.openai.com/v1',
    ...(api_key === undefined ? {} : { apiKey: api_key }),
  })
  const model = provider.embeddingModel(source.model)
  return {
    async embed(texts, signal) {
      const { embeddings } = await embedMany({
        model,
        values: [...texts],
        maxRetries: 4,
        ...(signal ? { abortSignal: signal } : {}),
      })
      return embeddings
    },
    close: () => Promise.resolve(),
  }
}

function unit(values: ArrayLike<number>, model: string): Float32Array {
  const vector = Float32Array.from(values)
  const norm = Math.hypot(...vector)
  if (!(norm > 0 && Number.isFinite(norm)))
    throw new Error(
      `${model} gave a vector of length ${norm}, expected a finite one that is not 0; is it an embedding model?`,
    )
  return vector.map((x) => x / norm)
}

/** Keeps the embedder that was asked for last open. */
export class EmbedderShelf {
  #open: { readonly key: string; readonly embedder: Promise<Embedder> } | undefined

  /** The open embedder of a source; one of another source is closed. */
  get(source: EmbedderSource): Promise<Embedder> {
    const key = JSON.stringify(source)
    if (this.#open?.key === key) return this.#open.embedder
    const before = this.close()
    const embedder = before.then(() => openEmbedder(source))
    this.#open = { key, embedder }
    embedder.catch(() => {
      if (this.#open?.embedder === embedder) this.#open = undefined
    })
    return embedder
  }

  async close(): Promise<void> {
    const open = this.#open
    this.#open = undefined
    // One that did not open has nothing to close.
    await open?.embedder.then(
      (embedder) => embedder.close(),
      () => {},
    )
  }
}
