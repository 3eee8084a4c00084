/**
 * The steps of a tokenizer.json, checked and put into the terms that `@huggingface/tokenizers` 0.2.0 gets right. What it does
 * otherwise than the Rust library that the files are written for, and what is done about it:
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
import { checkPattern } from './patterns.ts'

/** SentencePiece's mark for a space. */
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

/** One step: what `type` says, with its settings. */
export type Step = Record<string, unknown> & { type: string }
export const Step: z.ZodType<Step> = z.looseObject({ type: z.string() })

const Pattern = z.union([z.object({ String: z.string().min(1) }), z.object({ Regex: z.string() })])

/** @throws FormatError naming the field that is not as the schema has it. */
export function check<Schema extends z.ZodType>(
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

/** The error for a step or setting that Hooke does not run. */
export function unsupported(
  path: string,
  where: string,
  found: string,
  supported: string,
): FormatError {
  const shown = /^[\w ,]{1,80}$/.test(found) ? found : quote(found)
  return new FormatError(path, `${where} is ${shown}, supported: ${supported}.`)
}

/** @throws FormatError if a step is not supported, or makes texts many times as long. */
export function boundedNormalizer(path: string, step: Step): Step {
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
function growth(step: Step): number {
  if (Array.isArray(step.normalizers)) {
    return step.normalizers.reduce((times: number, inner: Step) => times * growth(inner), 1)
  }
  const { pattern, content } = step as { pattern?: z.infer<typeof Pattern>; content?: string }
  if (pattern === undefined || content === undefined) return 1
  // A pattern may match nothing, before every character.
  const least = 'String' in pattern ? pattern.String.length : 0
  return least === 0 ? 1 + content.length : Math.max(1, content.length / least)
}

function normalizer(path: string, step: Step, depth = 0): Step {
  switch (step.type) {
    case 'Sequence':
      return {
        type: 'Sequence',
        normalizers: stepsOf(path, step, 'normalizers', depth).map((inner) =>
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

/** @throws FormatError if a step is not supported. */
export function preTokenizer(path: string, step: Step, depth = 0): Step {
  switch (step.type) {
    case 'Sequence':
      return sequence(
        stepsOf(path, step, 'pretokenizers', depth).map((inner) =>
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

const sequence = (pretokenizers: Step[]): Step => ({ type: 'Sequence', pretokenizers })

const isolated = (Regex: string): Step => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Isolated',
  invert: false,
})

/** One space in front of a text that does not begin with one. */
const PREFIX_SPACE: Step = { type: 'Replace', pattern: { Regex: '\\A(?! )' }, content: ' ' }

function split(
  path: string,
  {
    pattern,
    behavior,
    invert,
  }: { pattern: z.infer<typeof Pattern>; behavior: string; invert: boolean },
): Step {
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

/** Whether a decoder takes off one leading space. */
export function stripsSpace(path: string, step: Step, depth = 0): boolean {
  switch (step.type) {
    case 'Sequence':
      return stepsOf(path, step, 'decoders', depth).some((inner) =>
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

/** The steps of a sequence. */
export function stepsOf(path: string, step: Step, key: string, depth: number): Step[] {
  if (depth >= MAX_DEPTH) throw new FormatError(path, `nests ${key} more than ${MAX_DEPTH} deep.`)
  return check(path, `${key}: `, z.array(Step), step[key])
}

/** Whether a pre-tokenizer writes bytes as characters. */
export function usesByteLevel(step: Step | null): boolean {
  if (step?.type === 'ByteLevel') return true
  const inner = step?.pretokenizers
  return Array.isArray(inner) && inner.some((each: Step) => usesByteLevel(each))
}
