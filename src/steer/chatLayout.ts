/** Whose the tokens of a conversation are: a person's, the model's, or the template's. */

import { type ChatMessage, type ChatOptions, type Model, renderChat } from '../model/index.ts'

/** `frame` is what the template writes around what is said: turn markers, roles, line breaks, a system's own words. */
export type TokenKind = 'frame' | 'prompt' | 'answer'

type Speaker = Pick<Model, 'name' | 'tokenizer'>
type Span = { readonly from: number; readonly to: number; readonly kind: TokenKind }

/**
 * The kinds of a conversation's tokens: what a message of the assistant holds is `answer`, of another `prompt`. A token that
 * holds characters of both a message and its frame is the message's.
 * @param ids as `tokenizeChat` gives them, with the same options.
 * @returns [n_tokens]; undefined where the template changes what is said beyond leaving a part of it out.
 */
export function chatKinds(
  model: Speaker,
  messages: readonly (ChatMessage & { readonly content: string })[],
  ids: Int32Array,
  options: ChatOptions = {},
): TokenKind[] | undefined {
  const text = renderChat(model, messages, options)
  const spans = spansOf(text, messages, framesOf(model, messages, text, options))
  if (spans === undefined) return undefined
  const { pieces, special_ids, openText } = model.tokenizer!
  const stream = openText()
  let at = 0
  return Array.from(ids, (id) => {
    const isSpecial = special_ids.has(id)
    const written = isSpecial ? pieces[id]! : stream.push(id)
    // A special token tells for certain where it stands, whatever the tokenizer made of the characters before it.
    const from = isSpecial ? Math.max(at, text.indexOf(written, at)) : at
    at = from + written.length
    if (isSpecial) return 'frame'
    // Of a character's bytes only the last one writes it.
    const to = Math.max(at, from + 1)
    return spans.find((span) => span.from < to && from < span.to)?.kind ?? 'frame'
  })
}

/** What the template writes before, between and behind the messages: each is replaced by a character that nothing else holds. */
function framesOf(
  model: Speaker,
  messages: readonly ChatMessage[],
  text: string,
  options: ChatOptions,
): string[] {
  let point = 0xe000
  while (text.includes(String.fromCharCode(point))) point++
  const stand_in = String.fromCharCode(point)
  const replaced = messages.map((message) => ({ ...message, content: stand_in }))
  return renderChat(model, replaced, options).split(stand_in)
}

/** Where the messages stand between their frames, each as long as what stands there is a part of what was said. */
function spansOf(
  text: string,
  messages: readonly { readonly role: string; readonly content: string }[],
  frames: readonly string[],
): Span[] | undefined {
  if (frames.length !== messages.length + 1 || !text.startsWith(frames[0]!)) return undefined
  const spans: Span[] = []
  let from = frames[0]!.length
  for (const [i, { role, content }] of messages.entries()) {
    const frame = frames[i + 1]!
    let to: number | undefined
    if (i === messages.length - 1) {
      const end = text.length - frame.length
      if (end >= from && text.endsWith(frame) && content.includes(text.slice(from, end))) to = end
    } else {
      let end = text.indexOf(frame, from)
      while (end >= 0 && end <= from + content.length) {
        if (content.includes(text.slice(from, end))) to = end
        end = text.indexOf(frame, end + 1)
      }
    }
    if (to === undefined) return undefined
    spans.push({ from, to, kind: role === 'assistant' ? 'answer' : 'prompt' })
    from = to + frame.length
  }
  return spans
}
