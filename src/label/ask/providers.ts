/** Where language models are asked: the providers by name, or any server that speaks OpenAI's protocol. */
import type { EmbeddingModel, LanguageModel } from 'ai'
import { boundedFetch } from './boundedFetch.ts'
import { listPrices, type Prices } from './cost.ts'

export const PROVIDERS = {
  openai: {
    key_env: 'OPENAI_API_KEY',
    base_url: 'https://api.openai.com/v1',
    model: 'gpt-4o-mini',
    embedding_model: 'text-embedding-3-small',
  },
  anthropic: {
    key_env: 'ANTHROPIC_API_KEY',
    base_url: 'https://api.anthropic.com/v1',
    model: 'claude-haiku-4-5',
    embedding_model: undefined,
  },
  google: {
    key_env: 'GOOGLE_GENERATIVE_AI_API_KEY',
    base_url: 'https://generativelanguage.googleapis.com/v1beta',
    model: 'gemini-2.5-flash',
    embedding_model: 'gemini-embedding-001',
  },
  ollama: {
    key_env: undefined,
    base_url: 'http://127.0.0.1:11434/v1',
    model: 'llama3.1',
    embedding_model: 'nomic-embed-text',
  },
  compatible: {
    key_env: 'OPENAI_API_KEY',
    base_url: undefined,
    model: 'gpt-4o-mini',
    embedding_model: 'text-embedding-3-small',
  },
} as const

/** `compatible`: any server that speaks OpenAI's protocol, by its URL. */
export type ProviderName = keyof typeof PROVIDERS

export type Endpoint = {
  readonly provider: ProviderName
  /** Default: the provider's own. */
  readonly base_url?: string | undefined
  /** Left out for servers that need none. */
  readonly api_key?: string | undefined
  readonly model: string
  /** For similarity questions. */
  readonly embedding_model?: string | undefined
}

/** The models that answer. */
export type Models = {
  readonly chat: LanguageModel
  readonly embedding: EmbeddingModel | undefined
  /** Asks for the odds of the answer's tokens; absent where the provider tells none. */
  readonly odds_options?: Record<string, Record<string, number | boolean>>
}

/** Under this name odds are asked for and handed back where a server speaks OpenAI's protocol. */
const COMPATIBLE = 'explainer'

/** Alternatives of each token that are asked for: the most that OpenAI gives. */
const N_ALTERNATIVES = 20

/** The URL that is asked. @throws TypeError where `compatible` has none. */
export function urlOf({ provider, base_url }: Endpoint): string {
  const url = base_url ?? PROVIDERS[provider].base_url
  if (url === undefined)
    throw new TypeError(
      `provider ${provider} has no URL of its own, expected a base URL like http://127.0.0.1:8080/v1`,
    )
  return url
}

/** List prices at the provider itself; undefined at any other URL. */
export function knownPrices({ provider, base_url, model }: Endpoint): Prices | undefined {
  const own = PROVIDERS[provider].base_url
  const is_paid = provider === 'openai' || provider === 'anthropic' || provider === 'google'
  return is_paid && (base_url ?? own) === own ? listPrices(model) : undefined
}

/** Opens a provider's models; its library is loaded only here. */
export async function openModels(endpoint: Endpoint): Promise<Models> {
  const { provider, model, embedding_model } = endpoint
  const settings = {
    baseURL: urlOf(endpoint),
    fetch: boundedFetch,
    ...(endpoint.api_key === undefined ? {} : { apiKey: endpoint.api_key }),
  }
  switch (provider) {
    case 'openai': {
      const { createOpenAI } = await import('@ai-sdk/openai')
      const openai = createOpenAI(settings)
      return {
        chat: openai.chat(model),
        embedding: embedding_model === undefined ? undefined : openai.embedding(embedding_model),
        odds_options: { openai: { logprobs: N_ALTERNATIVES } },
      }
    }
    case 'anthropic': {
      const { createAnthropic } = await import('@ai-sdk/anthropic')
      return { chat: createAnthropic(settings)(model), embedding: undefined }
    }
    case 'google': {
      const { createGoogle } = await import('@ai-sdk/google')
      const google = createGoogle(settings)
      return {
        chat: google(model),
        embedding: embedding_model === undefined ? undefined : google.embedding(embedding_model),
      }
    }
    case 'ollama':
    case 'compatible': {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible')
      const compatible = createOpenAICompatible({
        name: COMPATIBLE,
        ...settings,
        supportsStructuredOutputs: true,
        metadataExtractor: {
          extractMetadata: ({ parsedBody }) => Promise.resolve(logprobsOf(parsedBody)),
          createStreamExtractor: () => ({ processChunk() {}, buildMetadata: () => undefined }),
        },
      })
      return {
        chat: compatible.chatModel(model),
        embedding:
          embedding_model === undefined ? undefined : compatible.embeddingModel(embedding_model),
        odds_options: { [COMPATIBLE]: { logprobs: true, top_logprobs: N_ALTERNATIVES } },
      }
    }
    default:
      return provider satisfies never
  }
}

/** The answer's token odds as OpenAI's protocol gives them; read strictly where they are used. */
function logprobsOf(body: unknown) {
  const choices = (body as { choices?: { logprobs?: { content?: unknown } | null }[] }).choices
  const content = choices?.[0]?.logprobs?.content
  return Array.isArray(content) ? { [COMPATIBLE]: { logprobs: content } } : undefined
}
