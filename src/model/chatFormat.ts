/** What a folder says about conversations: the template, its variables, and what ends a turn. */

import { z } from 'zod'
import { type Folder, FormatError, quote } from '../formats/index.ts'
import { readJsonSource } from './checkpoint.ts'
import type { ChatFormat } from './types.ts'

const Template = z.union([
  z.string(),
  z.array(z.looseObject({ name: z.string(), template: z.string() })),
])

const Held = z.looseObject({ chat_template: z.unknown().optional() })

/** Variables that hold a token's text in every template. */
const TOKEN_NAMES = ['bos_token', 'eos_token', 'unk_token', 'pad_token'] as const

/**
 * A folder's chat format: chat_template.jinja, or `chat_template` in chat_template.json or tokenizer_config.json; of a list of
 * named ones the one called default. Undefined where there is none.
 * @param settings tokenizer_config.json.
 * @throws FormatError if a file is damaged, or of several templates none is the default.
 */
export async function loadChatFormat(
  folder: Folder,
  settings: Readonly<Record<string, unknown>>,
): Promise<ChatFormat | undefined> {
  const found = await findTemplate(folder, settings)
  if (found === undefined) return undefined
  const tokens = TOKEN_NAMES.flatMap((name) => {
    const value = settings[name]
    return typeof value === 'string' ? [[name, value] as const] : []
  })
  return { ...found, tokens: Object.fromEntries(tokens), end_ids: await readEndIds(folder) }
}

async function findTemplate(
  folder: Folder,
  settings: Readonly<Record<string, unknown>>,
): Promise<{ source: string; template: string } | undefined> {
  const own = await folder.open('chat_template.jinja')
  if (own !== undefined) {
    const bytes = await own.read(0, own.size_bytes)
    return { source: own.name, template: new TextDecoder().decode(bytes) }
  }
  const json = await folder.open('chat_template.json')
  const source = json?.name ?? `${folder.name}/tokenizer_config.json`
  const held = json === undefined ? settings : await readJsonSource(json)
  const chat_template = Held.safeParse(held).data?.chat_template
  if (chat_template == null) return undefined
  const parsed = Template.safeParse(chat_template)
  if (!parsed.success) {
    throw new FormatError(
      source,
      `chat_template is ${quote(chat_template)}, expected a text, or a list of them.`,
    )
  }
  if (typeof parsed.data === 'string') return { source, template: parsed.data }
  const { data } = parsed
  const chosen = data.find(({ name }) => name === 'default') ?? (data.length === 1 ? data[0] : null)
  if (chosen) return { source, template: chosen.template }
  const names = data.map(({ name }) => name)
  throw new FormatError(source, `chat_template has ${quote(names)}, expected one called default.`)
}

/** generation_config.json's ends: instruction-tuned models name there what ends a turn. */
async function readEndIds(folder: Folder): Promise<number[]> {
  const source = await folder.open('generation_config.json')
  if (source === undefined) return []
  const Ends = z.looseObject({ eos_token_id: z.union([z.int(), z.array(z.int())]).nullish() })
  const parsed = Ends.safeParse(await readJsonSource(source))
  if (parsed.success) return [parsed.data.eos_token_id ?? []].flat()
  throw new FormatError(
    source.name,
    `is not a generation_config.json: ${z.prettifyError(parsed.error)}.`,
  )
}
