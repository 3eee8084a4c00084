/**
 * tokenizer.json as a Tokenizer, for the families' two kinds of BPE: SentencePiece's (Gemma, Llama 2, Mistral) and byte-level
 * (GPT-2, GPT-NeoX, Llama 3, Qwen). Hugging Face's own JavaScript normalizes, splits and merges; the rest is here.
 */

import { Tokenizer as Pipeline } from '@huggingface/tokenizers'
import { z } from 'zod'
import { type Folder, FormatError } from '../formats/index.ts'
import { type AddedToken, addedTokenFinder } from './addedTokens.ts'
import { loadChatFormat } from './chatFormat.ts'
import { readJsonSource } from './checkpoint.ts'
import { controlIds } from './controlIds.ts'
import { byteLevelBytes, sentencePieceBytes, showBytes } from './pieces.ts'
import { parseTokenizerFile, type TokenizerFile } from './tokenizerFile.ts'
import { SPACE } from './tokenizerSteps.ts'
import type { ModelConfig, Tokenizer } from './types.ts'
import { cutFinder, stretchesOf } from './words.ts'

/** A token's name, as tokenizer_config.json gives it. */
const Name = z
  .union([z.string(), z.looseObject({ content: z.string() })])
  .transform((name) => (typeof name === 'string' ? name : name.content))
  .nullish()

const Settings = z.looseObject({
  add_bos_token: z.boolean().nullish(),
  bos_token: Name,
  eos_token: Name,
  pad_token: Name,
  unk_token: Name,
  additional_special_tokens: z.array(Name).nullish(),
})

/**
 * Opens a folder's tokenizer; undefined where it has none.
 *
 * As in SentencePiece, control tokens (BOS, EOS, padding, unknown) written in a text stay text, while the other added
 * tokens, such as a chat's frame, are pieces like any other and are found in it. Whether BOS leads a text is what
 * `add_bos_token` in tokenizer_config.json says, or else the template in tokenizer.json; nothing is put behind a text.
 * @throws FormatError if a file is damaged, asks for what is not supported, or the vocabulary is not the model's.
 */
export async function openTokenizer(
  folder: Folder,
  config: ModelConfig,
): Promise<Tokenizer | undefined> {
  const source = await folder.open('tokenizer.json')
  if (source === undefined) return undefined
  const settings = await readSettings(folder)
  const { bos_token, eos_token, pad_token, unk_token } = settings
  const named = [bos_token, eos_token, pad_token, unk_token].filter((name) => name != null)
  const file = parseTokenizerFile(source.name, await readJsonSource(source), {
    ids: controlIds(config),
    pieces: new Set(named),
  })
  checkIds(source.name, file, config.d_vocab)
  const known = file.added.filter(({ id }) => id < config.d_vocab)
  // The first of several of the same content counts.
  const addedIds = new Map(known.toReversed().map(({ content, id }) => [content, id]))
  const idOf = (piece: string): number | undefined => addedIds.get(piece) ?? file.vocab.get(piece)
  const named_bos = (bos_token == null ? undefined : idOf(bos_token)) ?? config.bos_token_id
  const leads = settings.add_bos_token ?? file.front !== undefined
  const bos = leads ? (file.front ?? named_bos) : undefined
  const cut = openCutter(source.name, file, known)
  const names = pieceNames(file, known, config.d_vocab)
  const isAdded = new Set(known.filter(({ special }) => special).map(({ id }) => id))
  const bytesOf = (id: number): Uint8Array => {
    const name = names[id]
    if (name === undefined) return new Uint8Array()
    if (isAdded.has(id)) return new TextEncoder().encode(name)
    return file.byte_level ? byteLevelBytes(name) : sentencePieceBytes(name)
  }
  const show = (name: string | undefined, id: number): string => {
    if (name === undefined) return `<${id}>`
    if (file.byte_level) return showBytes(bytesOf(id))
    return isAdded.has(id) ? name : name.replaceAll(SPACE, ' ')
  }
  const chat = await loadChatFormat(folder, settings)

  const openText: Tokenizer['openText'] = ({ continues = false } = {}) => {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
    let strips = file.strips_space && !continues
    return {
      push(id) {
        if (file.control.has(id)) return ''
        const bytes = bytesOf(id)
        const from = strips && bytes[0] === 0x20 ? 1 : 0
        strips &&= bytes.length === 0
        return decoder.decode(bytes.subarray(from), { stream: true })
      },
      end: () => decoder.decode(),
    }
  }
  return {
    bos,
    tokenize(text, options = {}) {
      const ids = cut(text.toWellFormed(), options.mark)
      if (!(options.bos ?? bos !== undefined)) return Int32Array.from(ids)
      const first = bos ?? named_bos
      if (first !== undefined) return Int32Array.from([first, ...ids])
      throw new RangeError(
        `tokenize: a text with BOS in front was asked for, and ${folder.name} names none. Leave \`bos\` out.`,
      )
    },
    detokenize(ids, options) {
      const stream = openText(options)
      let text = ''
      for (let i = 0; i < ids.length; i++) text += stream.push(ids[i]!)
      return text + stream.end()
    },
    openText,
    pieces: Array.from({ length: config.d_vocab }, (_, id) => show(names[id], id)),
    special_ids: new Set(
      [
        ...file.control,
        ...isAdded,
        ...(settings.additional_special_tokens ?? []).map((name) => idOf(name ?? '')),
      ].filter((id) => id !== undefined),
    ),
    ...(chat === undefined ? {} : { chat }),
  }
}

async function readSettings(folder: Folder): Promise<z.infer<typeof Settings>> {
  const source = await folder.open('tokenizer_config.json')
  if (source === undefined) return {}
  const parsed = Settings.safeParse(await readJsonSource(source))
  if (parsed.success) return parsed.data
  throw new FormatError(
    source.name,
    `is not a tokenizer_config.json: ${z.prettifyError(parsed.error)}.`,
    { cause: parsed.error },
  )
}

/** Added tokens may lie beyond the embedding (Gemma 3's mark for images in its text-only sizes): no text becomes one. */
function checkIds(path: string, { vocab, added }: TokenizerFile, d_vocab: number): void {
  const beyond = new Set(added.map(({ content }) => content))
  let highest = -1
  for (const [piece, id] of vocab) if (!beyond.has(piece)) highest = Math.max(highest, id)
  if (highest >= d_vocab) {
    throw new FormatError(
      path,
      `has ids up to ${highest}, the model ${d_vocab} of them. Do tokenizer and model belong together?`,
    )
  }
}

function pieceNames(
  { vocab }: TokenizerFile,
  added: readonly AddedToken[],
  d_vocab: number,
): readonly (string | undefined)[] {
  const names = new Array<string | undefined>(d_vocab).fill(undefined)
  for (const [name, id] of vocab) names[id] = name
  for (const { id, content } of added) names[id] = content
  return names
}

/** Words whose ids are kept; most of a text is made of few. */
const KEPT_WORDS = 1 << 16
const KEPT_CHARS = 32

/** Characters that a pattern is given at once, or few more. */
const STRETCH_CHARS = 1 << 18

/**
 * Text to ids, without BOS.
 *
 * 1. Added tokens are found in the text as it came.
 * 2. What is left is normalized, and added tokens are found that are written in normalized text.
 * 3. What is left is split into words by the file's pattern, and those between characters that no piece holds together.
 * 4. The pieces of a word are merged.
 *
 * With a `mark`, control tokens are found too, except where the mark stands in them; then the mark is taken out.
 */
function openCutter(
  path: string,
  file: TokenizerFile,
  added: readonly AddedToken[],
): (text: string, mark?: string) => number[] {
  const { normalizer, pre_tokenizer, model } = openPipeline(path, file)
  const normalize = (text: string): string => normalizer?.normalize(text) ?? text
  const finders = (tokens: readonly AddedToken[]) => ({
    raw: addedTokenFinder(tokens.filter(({ normalized }) => !normalized)),
    normalized: addedTokenFinder(
      tokens.filter(({ normalized }) => normalized),
      ({ content }) => normalize(content),
    ),
  })
  const inTexts = finders(added.filter(({ id }) => !file.control.has(id)))
  const inFrames = finders(added)
  const nextCut = cutFinder(file.vocab.keys())
  const kept = new Map<string, readonly number[]>()

  const merge = (word: string): readonly number[] => {
    const before = kept.get(word)
    if (before !== undefined) return before
    const ids = model!
      .encode([word])
      .map((piece: string) => file.vocab.get(piece) ?? file.unk)
      .filter((id: number | undefined) => id !== undefined)
    if (kept.size >= KEPT_WORDS) kept.clear()
    if (word.length <= KEPT_CHARS) kept.set(word, ids)
    return ids
  }
  const pushWord = (word: string, ids: number[]): void => {
    const whole = file.ignore_merges ? file.vocab.get(word) : undefined
    if (whole !== undefined) {
      ids.push(whole)
      return
    }
    const first = ids.length
    for (let from = 0; from < word.length; ) {
      const to = word.length <= KEPT_CHARS ? word.length : nextCut(word, from)
      for (const id of merge(word.slice(from, to))) {
        const repeats = file.fuse_unk && id === file.unk && ids.length > first && ids.at(-1) === id
        if (!repeats) ids.push(id)
      }
      from = to
    }
  }
  const pushText = (text: string, at: number, ids: number[]): void => {
    if (pre_tokenizer === null) {
      pushWord(text, ids)
      return
    }
    let section_index = at
    const split = (part: string, index = 1): string[] => {
      try {
        return pre_tokenizer.pre_tokenize(part, { section_index: index })
      } catch (cause) {
        const found = `tokenize: the pattern of ${path} cannot be run on ${part.length} characters`
        throw new RangeError(`${found} without a break. Break the text into lines.`, { cause })
      }
    }
    for (const stretch of stretchesOf(text, split, STRETCH_CHARS)) {
      for (const word of split(stretch, section_index)) pushWord(word, ids)
      section_index = 1
    }
  }
  return (text, mark) => {
    const find = mark === undefined ? inTexts : inFrames
    const ids: number[] = []
    for (const section of find.raw(text)) {
      const parts = section.id === undefined ? find.normalized(normalize(section.text)) : [section]
      for (const part of parts) {
        if (part.id !== undefined) ids.push(part.id)
        else pushText(mark ? part.text.replaceAll(mark, '') : part.text, section.at + part.at, ids)
      }
    }
    return ids
  }
}

function openPipeline(path: string, { pipeline }: TokenizerFile): Pipeline {
  try {
    return new Pipeline(pipeline, {})
  } catch (cause) {
    throw new FormatError(path, 'has a step that cannot be built.', { cause })
  }
}
