/** The conversation that `hooke generate --chat` goes on with. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { ChatMessage } from '../model/index.ts'
import { CliError } from './errors.ts'

const Messages = z.array(z.looseObject({ role: z.string(), content: z.unknown() })).min(1)

/**
 * Turns from a file, if one is given, the system's in front and the user's new one behind.
 * @throws CliError if there is no turn, or the file is not a list of turns.
 */
export async function conversationOf(given: {
  messages?: string
  system?: string
  prompt?: string
}): Promise<ChatMessage[]> {
  const { messages: path, system, prompt } = given
  const earlier = path === undefined ? [] : await readMessages(path)
  if (path === undefined && prompt === undefined) {
    throw new CliError('generate: --chat needs --prompt, or --messages with a file of turns.')
  }
  return [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    ...earlier,
    ...(prompt === undefined ? [] : [{ role: 'user', content: prompt }]),
  ]
}

async function readMessages(path: string): Promise<ChatMessage[]> {
  const expected = 'expected a JSON list of turns: [{"role": "user", "content": "Hello"}, ...].'
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new CliError(`${path} cannot be read as JSON, ${expected}`, { cause })
  }
  const parsed = Messages.safeParse(json)
  if (parsed.success) return parsed.data
  throw new CliError(`${path}: ${z.prettifyError(parsed.error)}; ${expected}`, {
    cause: parsed.error,
  })
}
