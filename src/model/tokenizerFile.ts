/** tokenizer.json, checked: its vocabulary and merges, its added tokens, and its steps in terms that the library gets right. */

import { z } from 'zod'
import { FormatError, quote } from '../formats/index.ts'
import type { AddedToken } from './addedTokens.ts'
import {
  BYTE,
  boundedNormalizer,
  check,
  preTokenizer,
  Step,
  stepsOf,
  stripsSpace,
  unsupported,
  usesByteLevel,
} from './tokenizerSteps.ts'

/** What a tokenizer.json says. */
export type TokenizerFile = {
  /** Ids by piece, without control tokens and special ones. */
  readonly vocab: ReadonlyMap<string, number>
  readonly added: readonly AddedToken[]
  /** For the library's own Tokenizer; without added tokens. */
  readonly pipeline: Record<string, unknown>
  /** Whether pieces are bytes written as characters (GPT-2, Llama 3, Qwen), not SentencePiece's text with space marks. */
  readonly byte_level: boolean
  /** Whether a text loses one leading space when it is put together: the one that tokenizing put there. */
  readonly strips_space: boolean
  /** The special token that the post-processor puts in front of a text, if it has one. */
  readonly front: number | undefined
  /** BOS, EOS, padding and unknown: never found in a text. */
  readonly control: ReadonlySet<number>
  readonly unk: number | undefined
  /** Whether unknown characters beside each other are one token. */
  readonly fuse_unk: boolean
  /** Whether a word of the vocabulary is one token whatever the merges make of it. */
  readonly ignore_merges: boolean
}

const Shell = z.looseObject({
  added_tokens: z
    .array(
      z.looseObject({
        id: z.int().nonnegative(),
        content: z.string().min(1),
        special: z.boolean(),
        normalized: z.boolean().optional(),
        lstrip: z.boolean().optional(),
        rstrip: z.boolean().optional(),
        single_word: z.boolean().optional(),
      }),
    )
    .default([]),
  normalizer: Step.nullish(),
  pre_tokenizer: Step.nullish(),
  post_processor: Step.nullish(),
  decoder: Step.nullish(),
})
const Bpe = z.looseObject({
  type: z.literal('BPE').default('BPE'),
  unk_token: z.string().nullish(),
  fuse_unk: z.boolean().nullish(),
  byte_fallback: z.boolean().nullish(),
  ignore_merges: z.boolean().nullish(),
  dropout: z.literal(0).nullish(),
  continuing_subword_prefix: z.literal('').nullish(),
  end_of_word_suffix: z.literal('').nullish(),
})

/**
 * Checks a tokenizer.json.
 * @param control what the folder's other files call BOS, EOS and padding: ids, which count if they are added tokens, and pieces.
 * @throws FormatError if it is damaged or uses a step that is not supported.
 */
export function parseTokenizerFile(
  path: string,
  json: unknown,
  control: { readonly ids: ReadonlySet<number>; readonly pieces: ReadonlySet<string> },
): TokenizerFile {
  const { model, ...rest } = check(path, '', z.looseObject({ model: z.unknown().optional() }), json)
  const shell = check(path, '', Shell, rest)
  const { vocab: _vocab, merges: _merges, ...settings } = asObject(path, 'model', model)
  const bpe = check(path, 'model: ', Bpe, settings)
  const pieces = parseVocab(path, _vocab)
  const idOf = (piece: string): number | undefined =>
    shell.added_tokens.find(({ content }) => content === piece)?.id ?? pieces.get(piece)
  const unk = bpe.unk_token == null ? undefined : idOf(bpe.unk_token)
  const named = [...control.pieces].map(idOf)
  const added = shell.added_tokens.map(({ id }) => id).filter((id) => control.ids.has(id))
  const control_ids = new Set([unk, ...named, ...added].filter((id) => id !== undefined))
  // No merge may make what only an added token is: SentencePiece does not, and here they may be looked for in vain on purpose.
  const special = new Set(
    shell.added_tokens
      .filter((token) => token.special || control_ids.has(token.id))
      .map(({ content }) => content),
  )
  const isText = (piece: string): boolean =>
    !special.has(piece) && !(bpe.byte_fallback === true && BYTE.test(piece))
  const merges = parseMerges(path, _merges, pieces).filter(([a, b]) => isText(a + b))
  const vocab = new Map([...pieces].filter(([piece]) => !special.has(piece)))
  const pre_tokenizer = shell.pre_tokenizer ? preTokenizer(path, shell.pre_tokenizer) : null
  const byte_level = usesByteLevel(pre_tokenizer)
  return {
    vocab,
    added: shell.added_tokens.map((token) => ({
      id: token.id,
      content: token.content,
      special: token.special,
      normalized: (token.normalized ?? !token.special) && shell.normalizer != null,
      lstrip: token.lstrip ?? false,
      rstrip: token.rstrip ?? false,
      single_word: token.single_word ?? false,
    })),
    pipeline: {
      added_tokens: [],
      normalizer: shell.normalizer ? boundedNormalizer(path, shell.normalizer) : null,
      pre_tokenizer,
      post_processor: null,
      decoder: null,
      model: {
        type: 'BPE',
        unk_token: bpe.unk_token ?? null,
        fuse_unk: false,
        byte_fallback: bpe.byte_fallback ?? false,
        vocab: Object.fromEntries(vocab),
        merges,
      },
    },
    byte_level,
    strips_space: shell.decoder ? stripsSpace(path, shell.decoder) && !byte_level : false,
    front: shell.post_processor ? frontToken(path, shell.post_processor, idOf) : undefined,
    control: control_ids,
    unk,
    fuse_unk: bpe.fuse_unk ?? false,
    ignore_merges: bpe.ignore_merges ?? false,
  }
}

function asObject(path: string, name: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>
  }
  throw new FormatError(
    path,
    `is not a tokenizer.json that Hooke reads: ${name} is ${quote(value)}, expected an object.`,
  )
}

/** By hand: a vocabulary has up to 256,000 entries, and may hold a piece called `__proto__`. */
function parseVocab(path: string, json: unknown): Map<string, number> {
  const vocab = new Map<string, number>()
  for (const [piece, id] of Object.entries(asObject(path, 'model.vocab', json))) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0) {
      throw new FormatError(
        path,
        `model.vocab: the id of ${quote(piece)} is ${quote(id)}, expected an integer.`,
      )
    }
    vocab.set(piece, id)
  }
  return vocab
}

/** Pairs, or as older files have them, strings with one space between. */
function parseMerges(
  path: string,
  json: unknown,
  vocab: ReadonlyMap<string, number>,
): (readonly [string, string])[] {
  if (!Array.isArray(json)) throw new FormatError(path, 'model.merges is missing, expected a list.')
  return json.map((entry: unknown, rank) => {
    const pair = typeof entry === 'string' ? entry.split(' ') : entry
    if (
      Array.isArray(pair) &&
      pair.length === 2 &&
      typeof pair[0] === 'string' &&
      typeof pair[1] === 'string' &&
      vocab.has(pair[0] + pair[1])
    ) {
      return [pair[0], pair[1]]
    }
    throw new FormatError(
      path,
      `model.merges: entry ${rank} is ${quote(entry)}, expected two pieces that make a third one of the vocabulary.`,
    )
  })
}

const Template = z.object({
  single: z.array(
    z.union([
      z.looseObject({ SpecialToken: z.looseObject({ id: z.string() }) }),
      z.looseObject({ Sequence: z.looseObject({ id: z.string() }) }),
    ]),
  ),
  special_tokens: z.record(z.string(), z.looseObject({ ids: z.array(z.int()) })).default({}),
})

/** The one token before a text; those after it are for other tasks than going on with it. */
function frontToken(
  path: string,
  step: Step,
  idOf: (piece: string) => number | undefined,
  depth = 0,
): number | undefined {
  switch (step.type) {
    case 'ByteLevel':
      return undefined
    case 'Sequence': {
      const inner = stepsOf(path, step, 'processors', depth)
      return inner
        .map((processor) => frontToken(path, processor, idOf, depth + 1))
        .find((id) => id !== undefined)
    }
    case 'TemplateProcessing': {
      const { single, special_tokens } = check(path, 'TemplateProcessing: ', Template, step)
      const n_front = single.findIndex((item) => 'Sequence' in item)
      const ids = single.slice(0, Math.max(0, n_front)).flatMap((item) => {
        if (!('SpecialToken' in item)) return []
        const { id: name } = item.SpecialToken as { id: string }
        return special_tokens[name]?.ids ?? idOf(name) ?? []
      })
      if (ids.length <= 1) return ids[0]
      const found = `a template with ${ids.length} tokens in front`
      throw unsupported(path, 'post_processor', found, 'at most one')
    }
    default: {
      const supported = 'Sequence, ByteLevel, TemplateProcessing'
      throw unsupported(path, 'post_processor', step.type, supported)
    }
  }
}
