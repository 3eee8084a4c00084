/**
 * tokenizer.json, checked and put into the terms that `@huggingface/tokenizers` 0.2.0 gets right. What it does otherwise than
 * the Rust library that the files are written for, and what is done about it:
 *
 * - ByteLevel splits with JavaScript's `\s` (U+FEFF is white space, U+0085 is not): its pattern becomes a Split of its own.
 * - `(?i:...)` folds ASCII only, so U+017F is no s and U+212A no k: both are written out.
 * - Metaspace never splits at its marks: where the file says so, a Split follows it.
 * - Split knows two of five behaviours, keeps what it removes where the pattern is a string or has groups, and drops text
 *   where it is Isolated and inverted: all become patterns that say the same.
 * - Digits means ASCII digits: it becomes a Split at \p{N}.
 * - `$` in what Replace writes is a reference: it is doubled.
 * - Added tokens are found here (`addedTokens.ts`), so that a text may hold what is written like one.
 */

import { z } from 'zod'
import { FormatError, quote } from '../formats/index.ts'
import type { AddedToken } from './addedTokens.ts'
import { checkPattern } from './patterns.ts'

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

export const SPACE = '\u2581'

/** How SentencePiece writes a single byte. */
export const BYTE = /^<0x([0-9A-F]{2})>$/

/** GPT-2's pattern, which ByteLevel splits with unless it is told not to. */
const GPT2_PATTERN =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/** Deeper nesting than any tokenizer has. */
const MAX_DEPTH = 8

/** Normalizers of published models replace one character by one. */
const MAX_GROWTH = 64

type Json = Record<string, unknown> & { type: string }

const Step: z.ZodType<Json> = z.looseObject({ type: z.string() })
const Pattern = z.union([z.object({ String: z.string().min(1) }), z.object({ Regex: z.string() })])
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
  const byte_level = uses(pre_tokenizer, 'ByteLevel')
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

function check<Schema extends z.ZodType>(
  path: string,
  where: string,
  schema: Schema,
  value: unknown,
): z.infer<Schema> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const at = issue!.path.length > 0 ? `${where}${issue!.path.join('.')}: ` : where
  throw new FormatError(path, `is not a tokenizer.json that Hooke reads: ${at}${issue!.message}.`, {
    cause: parsed.error,
  })
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

function unsupported(path: string, where: string, found: string, supported: string): FormatError {
  const shown = /^[\w ,]{1,80}$/.test(found) ? found : quote(found)
  return new FormatError(path, `${where} is ${shown}, supported: ${supported}.`)
}

function boundedNormalizer(path: string, step: Json): Json {
  const checked = normalizer(path, step)
  const times = growth(checked)
  if (times <= MAX_GROWTH) return checked
  throw unsupported(
    path,
    'normalizer',
    `one that makes a text ${times} times as long`,
    `up to ${MAX_GROWTH} times`,
  )
}

function checkSafe(path: string, where: string, pattern: z.infer<typeof Pattern>): void {
  if ('Regex' in pattern) checkPattern(path, where, pattern.Regex)
}

/** How many times as long a normalizer can make a text; what it does not replace stays. */
function growth(step: Json): number {
  if (Array.isArray(step.normalizers)) {
    return step.normalizers.reduce((times: number, inner: Json) => times * growth(inner), 1)
  }
  const { pattern, content } = step as { pattern?: z.infer<typeof Pattern>; content?: string }
  if (pattern === undefined || content === undefined) return 1
  // A pattern may match nothing, before every character.
  const least = 'String' in pattern ? pattern.String.length : 0
  return least === 0 ? 1 + content.length : Math.max(1, content.length / least)
}

function normalizer(path: string, step: Json, depth = 0): Json {
  switch (step.type) {
    case 'Sequence':
      return {
        type: 'Sequence',
        normalizers: steps(path, step, 'normalizers', depth).map((inner) =>
          normalizer(path, inner, depth + 1),
        ),
      }
    case 'Replace': {
      const fields = z.object({ pattern: Pattern, content: z.string() })
      const { pattern, content } = check(path, 'normalizer: Replace: ', fields, step)
      checkSafe(path, 'normalizer: Replace', pattern)
      return { type: 'Replace', pattern: folded(pattern), content: content.replaceAll('$', '$$$$') }
    }
    case 'Prepend':
      return {
        type: 'Prepend',
        ...check(path, 'Prepend: ', z.object({ prepend: z.string() }), step),
      }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
    case 'Lowercase':
      return { type: step.type }
    default: {
      const supported = 'Sequence, Replace, Prepend, NFC, NFD, NFKC, NFKD, Lowercase'
      throw unsupported(path, 'normalizer', step.type, supported)
    }
  }
}

function preTokenizer(path: string, step: Json, depth = 0): Json {
  switch (step.type) {
    case 'Sequence':
      return sequence(
        steps(path, step, 'pretokenizers', depth).map((inner) =>
          preTokenizer(path, inner, depth + 1),
        ),
      )
    case 'Split': {
      const fields = z.object({ pattern: Pattern, behavior: z.string(), invert: z.boolean() })
      const checked = check(path, 'pre_tokenizer: Split: ', fields, step)
      checkSafe(path, 'pre_tokenizer: Split', checked.pattern)
      return split(path, checked)
    }
    case 'Digits':
      return isolated(step.individual_digits === true ? '\\p{N}' : '\\p{N}+')
    case 'ByteLevel':
      return sequence([
        ...(step.add_prefix_space === true ? [PREFIX_SPACE] : []),
        ...(step.use_regex === false ? [] : [isolated(GPT2_PATTERN)]),
        { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
      ])
    case 'Metaspace': {
      const Fields = z.object({
        replacement: z.literal(SPACE),
        prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
        add_prefix_space: z.boolean().optional(),
        split: z.boolean().default(true),
      })
      const fields = check(path, 'pre_tokenizer: Metaspace: ', Fields, step)
      const scheme = fields.add_prefix_space === false ? 'never' : 'always'
      const mark = {
        type: 'Metaspace',
        replacement: SPACE,
        prepend_scheme: fields.prepend_scheme ?? scheme,
      }
      return fields.split ? sequence([mark, isolated(`${SPACE}[^${SPACE}]*|[^${SPACE}]+`)]) : mark
    }
    default: {
      const supported = 'Sequence, Split, ByteLevel, Metaspace, Digits'
      throw unsupported(path, 'pre_tokenizer', step.type, supported)
    }
  }
}

const sequence = (pretokenizers: Json[]): Json => ({ type: 'Sequence', pretokenizers })

const isolated = (Regex: string): Json => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Isolated',
  invert: false,
})

/** One space in front of a text that does not begin with one. */
const PREFIX_SPACE: Json = { type: 'Replace', pattern: { Regex: '\\A(?! )' }, content: ' ' }

function split(
  path: string,
  {
    pattern,
    behavior,
    invert,
  }: { pattern: z.infer<typeof Pattern>; behavior: string; invert: boolean },
): Json {
  const source = 'String' in pattern ? escaped(pattern.String) : pattern.Regex
  const letter = 'String' in pattern && pattern.String.length === 1 ? pattern.String : undefined
  const other = letter === undefined ? `(?:(?!${source})[\\s\\S])` : `[^${escaped(letter)}]`
  const merges = 'String' in pattern && !invert
  if (behavior === 'Isolated') return { ...isolated(source), pattern: folded(pattern) }
  if (behavior === 'Removed') {
    const { Regex } = folded({ Regex: withoutCaptures(source) })
    return { type: 'Split', pattern: { Regex }, behavior, invert }
  }
  if (behavior === 'MergedWithPrevious' && merges) return isolated(`${other}*${source}|${other}+`)
  if (behavior === 'MergedWithNext' && merges) return isolated(`${source}${other}*|${other}+`)
  if (behavior === 'Contiguous' && merges) return isolated(`(?:${source})+|${other}+`)
  throw unsupported(
    path,
    'pre_tokenizer',
    `Split with behavior ${behavior}${invert ? ', inverted' : ''}`,
    'Isolated, Removed, and of plain strings MergedWithPrevious, MergedWithNext, Contiguous',
  )
}

/** A pattern with groups that keep nothing. */
const withoutCaptures = (source: string): string =>
  source.replace(/\\.|\[(?:\\.|[^\]\\])*\]|\((?!\?)/gs, (part) => (part === '(' ? '(?:' : part))

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|\-&]/g, '\\$&')

/** A pattern whose case-insensitive groups take the two letters outside ASCII that are s and k in another case. */
function folded<P extends z.infer<typeof Pattern>>(pattern: P): P | { Regex: string } {
  if ('String' in pattern) return pattern
  return {
    Regex: pattern.Regex.replace(
      /\(\?i:[^()[\]\\]*\)/g,
      (group) => `(?i:${group.slice(4).replaceAll('s', '[s\u017F]').replaceAll('k', '[k\u212A]')}`,
    ),
  }
}

function stripsSpace(path: string, step: Json, depth = 0): boolean {
  switch (step.type) {
    case 'Sequence':
      return steps(path, step, 'decoders', depth).some((inner) =>
        stripsSpace(path, inner, depth + 1),
      )
    case 'Strip':
      return step.content === ' ' && typeof step.start === 'number' && step.start > 0
    case 'Metaspace':
      return step.prepend_scheme !== 'never' && step.add_prefix_space !== false
    case 'ByteLevel':
    case 'ByteFallback':
    case 'Fuse':
    case 'Replace':
      return false
    default: {
      const supported = 'Sequence, ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace'
      throw unsupported(path, 'decoder', step.type, supported)
    }
  }
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
  step: Json,
  idOf: (piece: string) => number | undefined,
  depth = 0,
): number | undefined {
  switch (step.type) {
    case 'ByteLevel':
      return undefined
    case 'Sequence': {
      const inner = steps(path, step, 'processors', depth)
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

function steps(path: string, step: Json, key: string, depth: number): Json[] {
  if (depth >= MAX_DEPTH) throw new FormatError(path, `nests ${key} more than ${MAX_DEPTH} deep.`)
  return check(path, `${key}: `, z.array(Step), step[key])
}

function uses(step: Json | null, type: string): boolean {
  if (step === null) return false
  if (step.type === type) return true
  const inner = step.pretokenizers
  return Array.isArray(inner) && inner.some((each: Json) => uses(each, type))
}
