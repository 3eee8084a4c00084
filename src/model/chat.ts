/** Conversations as a model's chat template writes them. */

import { escapeControls } from '../formats/index.ts'
import { renderTemplate, TemplateRefusal } from './jinja.ts'
import type { ChatFormat, Model, Tokenizer } from './types.ts'

/** One turn; templates may read other fields, such as `name`. */
export type ChatMessage = {
  readonly role: string
  readonly content: unknown
  readonly [field: string]: unknown
}

export type ChatOptions = {
  /** Whether the text ends where the model's answer begins (default true). */
  readonly add_generation_prompt?: boolean
  /** What templates take for the present (default: now). */
  readonly now?: Date
}

/** Of what a template says against a conversation. */
const MAX_REASON_CHARS = 1000

type Speaker = Pick<Model, 'name' | 'tokenizer'>

/**
 * A conversation as text.
 * @throws TypeError if the model has no chat template; RangeError if the template refuses the conversation, with its reason;
 *   FormatError if the template is not Jinja, fails, or takes too long.
 */
export function renderChat(
  model: Speaker,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): string {
  const { text, mark } = renderMarked(model, messages, options)
  return text.replaceAll(mark, '')
}

/**
 * A conversation as ids, BOS included if the template writes it: no other is put in front.
 *
 * The template's frame becomes tokens. What a message holds stays text, even if it is written like BOS or a turn's end. (Added
 * tokens that are not special, such as Gemma's runs of newlines or Qwen's `<tool_call>`, are found in messages as in any text.)
 * @throws as `renderChat`.
 */
export function tokenizeChat(
  model: Speaker,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): Int32Array {
  const { tokenizer, text, mark } = renderMarked(model, messages, options)
  return tokenizer.tokenize(text, { bos: false, mark })
}

/**
 * Ids that end an answer: those of generation_config.json, and the special token that the template writes behind one.
 * @throws as `renderChat`.
 */
export function chatEnds(model: Speaker): readonly number[] {
  const { tokenizer, format } = requireChat(model)
  const answer = unusedCharacter(format.template)
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: answer },
  ]
  const { text, mark } = renderMarked(model, messages, { add_generation_prompt: false })
  const behind = text.slice(text.lastIndexOf(answer) + answer.length)
  const ids = tokenizer.tokenize(behind, { bos: false, mark })
  const end = ids.find((id) => tokenizer.special_ids.has(id))
  return [...new Set([...format.end_ids, ...(end === undefined ? [] : [end])])]
}

/** Renders with a mark between the characters of whatever a message holds that is written like a special token. */
function renderMarked(
  model: Speaker,
  messages: readonly ChatMessage[],
  { add_generation_prompt = true, now }: ChatOptions,
): { tokenizer: Tokenizer; text: string; mark: string } {
  const { tokenizer, format } = requireChat(model)
  const mark = unusedCharacter(format.template + JSON.stringify(messages))
  const written = [...tokenizer.special_ids]
    .flatMap((id) => tokenizer.pieces[id] ?? [])
    .sort((a, b) => b.length - a.length)
    .map((piece) => piece.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  const pattern = new RegExp(written.join('|') || '(?!)', 'gu')
  const guard = (text: string): string =>
    text.replace(pattern, (piece) => Array.from(piece).join(mark))
  const variables = {
    ...format.tokens,
    messages: mapTexts(messages, guard),
    add_generation_prompt,
    tools: null,
    documents: null,
  }
  try {
    const text = renderTemplate(format.source, format.template, variables, now)
    return { tokenizer, text, mark }
  } catch (error) {
    if (!(error instanceof TemplateRefusal)) throw error
    const said = escapeControls(error.message.replaceAll(mark, '').slice(0, MAX_REASON_CHARS))
    throw new RangeError(`chat: the template of ${model.name} refuses this conversation: ${said}`, {
      cause: error,
    })
  }
}

function requireChat({ name, tokenizer }: Speaker): { tokenizer: Tokenizer; format: ChatFormat } {
  if (tokenizer?.chat !== undefined) return { tokenizer, format: tokenizer.chat }
  throw new TypeError(
    `chat: ${name} has no chat template, expected chat_template in tokenizer_config.json or chat_template.jinja. Base models have none: give a plain prompt, or take the instruction-tuned model.`,
  )
}

/** A character for private use that a text does not hold. */
function unusedCharacter(text: string): string {
  for (let point = 0xe000; point < 0xf900; point++) {
    const char = String.fromCharCode(point)
    if (!text.includes(char)) return char
  }
  throw new RangeError('chat: the text holds every character for private use, expected one left.')
}

function mapTexts(value: unknown, map: (text: string) => string): unknown {
  if (typeof value === 'string') return map(value)
  if (Array.isArray(value)) return value.map((entry) => mapTexts(entry, map))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key, mapTexts(entry, map)]),
  )
}
