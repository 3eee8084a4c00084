/** What each side of a steering run goes on from: a text, token ids, or a conversation. */

import { type ChatMessage, chatEnds, type Model, tokenizeChat } from '../model/index.ts'
import { chatKinds } from './chatLayout.ts'
import { type PromptLayout, promptLayout } from './interventions.ts'

/** `default` is the model as it is, `steered` has latents changed, `prompted` is told what to write instead. */
export type SteerSide = 'default' | 'steered' | 'prompted'

/** An earlier turn of a conversation: what the user said, and what each side answered. */
export type SteerTurn = { readonly user: string } & {
  readonly [side in SteerSide]?: string | undefined
}

export type SteerPrompt = {
  /** Text to go on from, BOS put in front; in a chat, what the user says next. */
  readonly prompt?: string | undefined
  /** Tokens to go on from as they are, instead of `prompt`. */
  readonly ids?: Int32Array | undefined
  /** Earlier turns, perhaps none. The prompt is then answered as the model's chat template has it. */
  readonly chat?: readonly SteerTurn[] | undefined
}

/** Where a side starts. */
type Start = {
  readonly ids: Int32Array
  /** Ids that end its text besides the model's own. */
  readonly stop: readonly number[]
  readonly layout: PromptLayout
}

/**
 * What one side goes on from.
 * @param instruction put in front of the text, an empty line between; in a chat, in front of what the user says first.
 * @throws TypeError if there is not exactly one of `prompt` and `ids`, an instruction or a chat with `ids`, no tokenizer or
 *   chat template where one is needed; RangeError if an earlier turn has no answer of this side, or the template refuses.
 */
export function promptOf(
  model: Model,
  { prompt, ids, chat }: SteerPrompt,
  side: SteerSide,
  instruction = '',
): Start {
  if ((prompt === undefined) === (ids === undefined)) {
    throw new TypeError('steer: give either a prompt or ids, and not both.')
  }
  const lead = instruction === '' ? '' : `${instruction}\n\n`
  if (ids !== undefined) {
    if (chat === undefined && lead === '') return plainStart(model, ids)
    throw new TypeError('steer: an instruction or a chat needs a prompt that is text, not ids.')
  }
  if (chat !== undefined) {
    const messages = messagesOf(chat, prompt!, side)
    messages[0] = { ...messages[0]!, content: `${lead}${messages[0]!.content}` }
    const options = { now: new Date() }
    const ids = tokenizeChat(model, messages, options)
    const kinds = chatKinds(model, messages, ids, options) ?? 'unknown'
    return { ids, stop: chatEnds(model), layout: { ...promptLayout(model, ids), kinds } }
  }
  if (model.tokenizer !== undefined) {
    return plainStart(model, model.tokenizer.tokenize(lead + prompt!))
  }
  throw new TypeError(`steer: ${model.name} has no tokenizer. Give token ids, BOS first.`)
}

/** Special tokens may be written out in a plain prompt too, such as a chat's frame. */
function plainStart(model: Model, ids: Int32Array): Start {
  const special = model.tokenizer?.special_ids
  const kinds = Array.from(ids, (id) => (special?.has(id) ? 'frame' : 'prompt'))
  return { ids, stop: [], layout: { ...promptLayout(model, ids), kinds } }
}

type Said = ChatMessage & { readonly content: string }

function messagesOf(chat: readonly SteerTurn[], prompt: string, side: SteerSide): Said[] {
  const earlier = chat.flatMap((turn, i): Said[] => {
    const content = turn[side]
    if (content === undefined) {
      throw new RangeError(
        `steer: turn ${i + 1} of the chat has no ${side} answer, expected one of every side that is asked for. Begin the chat anew.`,
      )
    }
    return [
      { role: 'user', content: turn.user },
      { role: 'assistant', content },
    ]
  })
  return [...earlier, { role: 'user', content: prompt }]
}
