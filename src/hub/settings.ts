/** Where the Hub is and who asks, as the environment says: the variables of Python's huggingface_hub. */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { errorCode } from '../files/index.ts'

export type HubSettings = {
  /** Without a slash at the end. */
  readonly endpoint: string
  /** Sent to the endpoint's own host only. */
  readonly token?: string
  /** The folder of `models--owner--name`. */
  readonly cache: string
  /** Nothing is asked of the network. */
  readonly offline: boolean
  /** First pause before a request is tried again; each further one is twice as long. */
  readonly retry_ms: number
  /** How often a request without an answer is tried again. */
  readonly n_retries: number
  /** Silence for so long is a cut connection. */
  readonly silence_ms: number
}

/**
 * HF_ENDPOINT, HF_TOKEN (or the file HF_TOKEN_PATH, HF_HOME/token), HF_HUB_CACHE (or HF_HOME/hub), HF_HUB_OFFLINE.
 * @throws RangeError if HF_ENDPOINT is no http address; what reading the token's file throws, unless it is missing.
 */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = folder(env.HF_HOME) ?? join(folder(env.XDG_CACHE_HOME) ?? HOME_CACHE, 'huggingface')
  const endpoint = (env.HF_ENDPOINT?.trim() || 'https://huggingface.co').replace(/\/+$/, '')
  if (!/^https?:\/\/[^/]/.test(endpoint) || !URL.canParse(endpoint))
    throw new RangeError(
      `HF_ENDPOINT is "${endpoint}", expected an address like https://huggingface.co. Correct it, or unset it.`,
    )
  const token = isSet(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)
    ? undefined
    : clean(env.HF_TOKEN ?? env.HUGGING_FACE_HUB_TOKEN) ||
      storedToken(folder(env.HF_TOKEN_PATH) ?? join(home, 'token'))
  return {
    endpoint,
    ...(token ? { token } : {}),
    cache: folder(env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE) ?? join(home, 'hub'),
    offline: isSet(env.HF_HUB_OFFLINE),
    retry_ms: 1000,
    n_retries: 5,
    silence_ms: 30_000,
  }
}

const HOME_CACHE = join(homedir(), '.cache')

const isSet = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '')

const clean = (value: string | undefined): string => (value ?? '').replaceAll(/\s/g, '')

const folder = (path: string | undefined): string | undefined =>
  path ? resolve(path.replace(/^~(?=$|\/)/, homedir())) : undefined

function storedToken(path: string): string {
  try {
    return clean(readFileSync(path, 'utf8'))
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return ''
    throw error
  }
}
