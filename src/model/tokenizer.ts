/** tokenizer.json as a Tokenizer: Hugging Face's own JavaScript does the work, the edges are made exact here. */

import { Tokenizer as Pipeline } from '@huggingface/tokenizers'
import { z } from 'zod'
import { type Folder, FormatError } from '../formats/index.ts'
import { readJsonSource } from './checkpoint.ts'
import { controlIds } from './controlIds.ts'
import type { ModelConfig, Tokenizer } from './types.ts'

const TokenizerJson = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string(), special: z.boolean() })),
  model: z.looseObject({ vocab: z.record(z.string(), z.int()) }),
})

const SPACE = '\u2581'
const BYTE = /^<0x([0-9A-F]{2})>$/

/**
 * Opens a folder's tokenizer; undefined where it has none.
 *
 * As in SentencePiece, control tokens (BOS, EOS, padding, unknown) written in a text stay text, while the other added
 * tokens, such as Gemma's chat frame, are pieces like any other and are found in it.
 * @throws FormatError if tokenizer.json is damaged or its vocabulary is not the model's.
 */
export async function openTokenizer(
  folder: Folder,
  config: ModelConfig,
): Promise<Tokenizer | undefined> {
  const source = await folder.open('tokenizer.json')
  if (source === undefined) return undefined
  const parsed = TokenizerJson.safeParse(await readJsonSource(source))
  if (!parsed.success) {
    throw new FormatError(source.name, `is not a tokenizer.json: ${z.prettifyError(parsed.error)}.`)
  }
  const json = parsed.data
  const settingsSource = await folder.open('tokenizer_config.json')
  const settings =
    settingsSource === undefined
      ? {}
      : z.looseObject({}).parse(await readJsonSource(settingsSource))

  const names: string[] = []
  for (const [name, id] of Object.entries(json.model.vocab)) names[id] = name
  for (const { id, content } of json.added_tokens) names[id] = content
  if (names.length > config.d_vocab) {
    throw new FormatError(
      source.name,
      `has ids up to ${names.length - 1}, the model ${config.d_vocab} of them. Do tokenizer and model belong together?`,
    )
  }
  const control = controlIds(config)
  const unknown = names.indexOf('<unk>')
  if (unknown >= 0) control.add(unknown)
  const special_ids = new Set([
    ...control,
    ...json.added_tokens.filter(({ special }) => special).map(({ id }) => id),
  ])
  const found = json.added_tokens.filter(({ id }) => !control.has(id))
  const pipeline = new Pipeline({ ...json, added_tokens: found }, settings)

  return {
    tokenize(text, { bos = true } = {}) {
      const ids = pipeline.encode(text, { add_special_tokens: false }).ids
      return Int32Array.from(bos ? [config.bos_token_id, ...ids] : ids)
    },
    detokenize: (ids) => detokenize(names, control, ids),
    pieces: Array.from({ length: config.d_vocab }, (_, id) =>
      (names[id] ?? `<${id}>`).replaceAll(SPACE, ' '),
    ),
    special_ids,
  }
}

/** Pieces joined, space marks as spaces, runs of byte pieces as UTF-8 (a damaged one as U+FFFD), control tokens left out. */
function detokenize(
  names: readonly string[],
  control: ReadonlySet<number>,
  ids: ArrayLike<number>,
): string {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let text = ''
  let bytes: number[] = []
  const flush = (): void => {
    if (bytes.length > 0) text += decoder.decode(Uint8Array.from(bytes))
    bytes = []
  }
  for (const id of Array.from(ids)) {
    if (control.has(id)) continue
    const name = names[id] ?? ''
    const byte = BYTE.exec(name)?.[1]
    if (byte !== undefined) {
      bytes.push(Number.parseInt(byte, 16))
      continue
    }
    flush()
    text += name.replaceAll(SPACE, ' ')
  }
  flush()
  return text
}
