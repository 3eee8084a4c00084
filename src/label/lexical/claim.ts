/**
 * What a lexical label says, as data: kept beside its text, so that a program can hold it against any text as a reader would.
 */
import { z } from 'zod'
import { WORD_CLASSES } from './classes.ts'
import type { Observation } from './observe.ts'
import { stem } from './phrase.ts'
import { pieceText } from './words.ts'

const KINDS = [
  /** The word, lower case. */
  'word',
  /** Any word with this stem. */
  'stem',
  /** The token's text without spaces, lower case: anywhere, or as a word or this part of one. */
  'piece',
  'whole',
  'first',
  'inner',
  'last',
  /** A class of words by its name. */
  'class',
  /** The word, or the two words, before it; the word after it. Lower case. */
  'before',
  'after',
  /** The token after it, without spaces. */
  'next',
  /** The window's language. */
  'language',
  /** A word anywhere in the window. */
  'near',
  /** The beginning of a `document`. */
  'beginning',
] as const

/** One condition on a token and its surroundings. */
export const Atom = z.strictObject({ kind: z.enum(KINDS), value: z.string() })
export type Atom = Readonly<z.infer<typeof Atom>>

/** Holds at a token where one of `any` does, and one of `where` too if it is given. */
export const Clause = z.strictObject({
  any: z.array(Atom).min(1).readonly(),
  where: z.array(Atom).min(1).readonly().optional(),
})
export type Clause = Readonly<z.infer<typeof Clause>>

/** Holds where one of its clauses does. */
export const LexicalClaim = z.array(Clause).min(1).readonly()
export type LexicalClaim = z.infer<typeof LexicalClaim>

export const keyOf = ({ kind, value }: Atom): string => `${kind} ${value}`

export const BEGINNING: Atom = { kind: 'beginning', value: 'document' }
/** Tokens of a document that count as its beginning, after BOS. */
const N_BEGINNING = 3

const classes = new Map(WORD_CLASSES.map((one) => [one.name, one]))

/** Whether a condition holds at a token. @throws RangeError for a class that this version does not know. */
export function atomHolds(
  { kind, value }: Atom,
  o: Observation,
  pieces: readonly string[],
): boolean {
  switch (kind) {
    case 'word':
      return o.lower === value
    case 'stem':
      return o.word.kind === 'word' && stem(o.lower) === value
    case 'piece':
      return pieceKey(o) === value
    case 'whole':
    case 'first':
    case 'inner':
    case 'last':
      return o.part === kind && pieceKey(o) === value
    case 'class': {
      const found = classes.get(value)
      if (!found)
        throw new RangeError(`lexical claim: class "${value}" is not known. Label the suite again.`)
      return found.holds({ ...o, text: o.word.text })
    }
    case 'before':
      return phrasesBefore(o).includes(value)
    case 'after':
      return o.after[0]?.toLowerCase() === value
    case 'next':
      return o.next_id !== undefined && nextText(o.next_id, pieces) === value
    case 'language':
      return o.language === value
    case 'near':
      return o.context.has(value)
    case 'beginning':
      return o.position <= N_BEGINNING
    default:
      return kind satisfies never
  }
}

/** Whether a clause holds at a token. */
export function clauseHolds(
  { any, where }: Clause,
  o: Observation,
  pieces: readonly string[],
): boolean {
  const one = (atoms: readonly Atom[]) => atoms.some((atom) => atomHolds(atom, o, pieces))
  return one(any) && (where === undefined || one(where))
}

/** All conditions that hold at a token, but for the words near it. */
export function atomsAt(o: Observation, pieces: readonly string[]): Atom[] {
  const key = pieceKey(o)
  const found: Atom[] = [
    { kind: 'word', value: o.lower },
    { kind: 'piece', value: key },
    { kind: o.part, value: key },
    ...classesOf(o).map((value) => ({ kind: 'class' as const, value })),
    ...phrasesBefore(o).map((value) => ({ kind: 'before' as const, value })),
  ]
  if (o.word.kind === 'word') found.push({ kind: 'stem', value: stem(o.lower) })
  if (o.after[0] !== undefined) found.push({ kind: 'after', value: o.after[0].toLowerCase() })
  if (o.next_id !== undefined) found.push({ kind: 'next', value: nextText(o.next_id, pieces) })
  if (o.language !== undefined) found.push({ kind: 'language', value: o.language })
  if (o.position <= N_BEGINNING) found.push(BEGINNING)
  return found
}

/** The token's text without spaces, lower case. */
export const pieceKey = (o: Observation): string => o.piece.trim().toLowerCase()

/** A token as what comes next is named. */
export const nextText = (id: number, pieces: readonly string[]): string =>
  pieceText(pieces[id] ?? '').trim() || '\n'

function phrasesBefore({ before }: Observation): string[] {
  const [near, far] = before.map((word) => word.toLowerCase())
  if (near === undefined) return []
  return far === undefined ? [near] : [near, `${far} ${near}`]
}

const known = new Map<string, string[]>()
/** Words looked up so far at most. */
const N_KNOWN = 50_000

function classesOf(o: Observation): string[] {
  const input = { ...o, text: o.word.text }
  const key = `${Number(o.starts_sentence)}${Number(o.stands_apart)}${input.text}`
  let names = known.get(key)
  if (!names) {
    names = WORD_CLASSES.filter(({ holds }) => holds(input)).map(({ name }) => name)
    if (known.size >= N_KNOWN) known.clear()
    known.set(key, names)
  }
  return names
}
