/** Every way in which the examples of a latent may be alike, as proposals with their words. */
import type { LatentRecord } from '../../latents/index.ts'
import type { WordBackground } from './background.ts'
import { type Atom, atomHolds, BEGINNING, nextText, pieceKey } from './claim.ts'
import { QUOTE, WORD_CLASSES } from './classes.ts'
import { contextWords } from './context.ts'
import type { Observation } from './observe.ts'
import { quote, stem, tally, title } from './phrase.ts'

export type Proposal = {
  /** What it is about: a claim about the peak itself can be narrowed by one about its surroundings. */
  readonly about: 'peak' | 'before' | 'after' | 'context' | 'next' | 'position'
  readonly text: string
  /** As a part of another claim: `after “out”`. */
  readonly qualifier?: string
  /** What is counted: "peak on “moon”". */
  readonly evidence: string
  /** How much it says, 0 to 1, by which equal counts are weighed. */
  readonly worth: number
  readonly any: readonly Atom[]
}

const words = (observations: readonly Observation[]) => tally(observations.map((o) => o.lower))

/** How a word is written most often. */
function written(observations: readonly Observation[], lower: string): string {
  return (
    tally(observations.filter((o) => o.lower === lower).map((o) => o.word.text))[0]?.value ?? lower
  )
}

const listed = (observations: readonly Observation[], n: number) =>
  words(observations)
    .slice(0, n)
    .map(({ value }) => written(observations, value))
    .filter((word) => word !== '')
    // Bare signs between commas could not be read.
    .map((word) => (/[\p{L}\p{N}]/u.test(word) ? word : quote(word)))
    .join(', ')

/** All claims that the top examples suggest, unweighed; `top` holds at least one observation. */
export function* claimsOf(
  top: readonly Observation[],
  record: LatentRecord,
  pieces: readonly string[],
  background: WordBackground | undefined,
): Generator<Proposal> {
  yield* wordClaims(top)
  yield* partClaims(top, pieces)
  yield* classClaims(top, pieces)
  yield* neighbourClaims(top)
  yield* nextTokenClaims(top, record, pieces)
  yield* contextClaims(top, background)
  yield {
    about: 'position',
    text: 'beginnings of documents',
    qualifier: 'at the beginning of a document',
    evidence: 'among the first three tokens of a document',
    worth: 1,
    any: [BEGINNING],
  }
}

/** One word; forms of one word; two or three words, each in any form. */
function* wordClaims(top: readonly Observation[]): Generator<Proposal> {
  const ranked = words(top)
  const first = ranked[0]!.value
  // A quotation mark says little until it is known whether it opens or closes: see the classes.
  if (!QUOTE.test(first)) {
    const text = title(written(top, first))
    yield {
      about: 'peak',
      text,
      evidence: `peak on ${quote(written(top, first))}`,
      worth: 1,
      any: [{ kind: 'word', value: first }],
    }
  }
  const stems = tally(top.filter((o) => o.word.kind === 'word').map((o) => stem(o.lower)))
  const formsOf = (root: string) =>
    ranked.filter(({ value }) => stem(value) === root).map(({ value }) => value)
  for (const size of [1, 2, 3]) {
    const few = stems.slice(0, size)
    const forms = few.map(({ value }) => formsOf(value))
    if (
      few.length < size ||
      (size > 1 && few.some(({ n }) => n < 2)) ||
      (size === 1 && forms[0]!.length < 2)
    )
      continue
    const text =
      size === 1
        ? `“${forms[0]!.slice(0, 3).join(' / ')}”`
        : forms.map((form) => quote(written(top, form[0]!))).join(', ')
    yield {
      about: 'peak',
      text,
      evidence: `peak on ${size === 1 ? `a form of ${quote(forms[0]![0]!)}` : text}`,
      worth: 0.98 - 0.02 * size,
      any: few.map(({ value }) => ({ kind: 'stem', value })),
    }
  }
}

/** The same piece in different words, at the same place in them or anywhere. */
function* partClaims(top: readonly Observation[], pieces: readonly string[]): Generator<Proposal> {
  const piece = tally(top.filter((o) => o.word.kind === 'word').map(pieceKey))[0]?.value
  if (piece === undefined) return
  const all = top.filter((o) => pieceKey(o) === piece)
  const part = tally(all.map((o) => o.part))[0]!.value
  for (const anywhere of [false, true]) {
    const atom: Atom = { kind: anywhere ? 'piece' : part, value: piece }
    const those = top.filter((o) => atomHolds(atom, o, pieces))
    if (words(those).length < 2) continue
    const as_written = tally(those.map((o) => o.piece.trim()))[0]!.value
    const parts = new Set(those.map((o) => o.part))
    const open_left = parts.has('inner') || parts.has('last') ? '…' : ''
    const open_right = parts.has('inner') || parts.has('first') ? '…' : ''
    const shown = `“${open_left}${as_written}${open_right}”`
    yield {
      about: 'peak',
      text: `${shown} in ${listed(those, 3)}`,
      evidence: `peak on ${shown}`,
      worth: anywhere ? 0.945 : 0.95,
      any: [atom],
    }
  }
}

function* classClaims(top: readonly Observation[], pieces: readonly string[]): Generator<Proposal> {
  for (const [place, { name, examples }] of WORD_CLASSES.entries()) {
    const atom: Atom = { kind: 'class', value: name }
    const those = top.filter((o) => atomHolds(atom, o, pieces))
    if (those.length === 0) continue
    const text = examples ? `${name}: ${listed(those, 3)}` : name
    yield {
      about: 'peak',
      text,
      evidence: `peak on ${name}`,
      worth: 0.88 - 0.001 * place,
      any: [atom],
    }
  }
}

/** The word or two before the peak, and the word after it. */
function* neighbourClaims(top: readonly Observation[]): Generator<Proposal> {
  const previous = tally(top.flatMap((o) => o.before.slice(0, 1)).map((w) => w.toLowerCase()))[0]
  if (previous) {
    const holds = (o: Observation) => o.before[0]?.toLowerCase() === previous.value
    const those = top.filter(holds)
    const earlier = tally(those.flatMap((o) => o.before.slice(1, 2)).map((w) => w.toLowerCase()))[0]
    const isPhrase =
      earlier !== undefined &&
      earlier.n >= 0.8 * those.length &&
      /^\p{L}/u.test(previous.value) &&
      /^\p{L}/u.test(earlier.value)
    const value = isPhrase ? `${earlier.value} ${previous.value}` : previous.value
    const phrase = quote(value)
    yield {
      about: 'before',
      text: `after ${phrase}: ${listed(those, 3)}`,
      qualifier: `after ${phrase}`,
      evidence: `after ${phrase}`,
      worth: 0.93,
      any: [{ kind: 'before', value }],
    }
  }
  const next = tally(top.flatMap((o) => o.after.slice(0, 1)).map((w) => w.toLowerCase()))[0]
  if (next) {
    const shown = quote(next.value)
    yield {
      about: 'after',
      text: `before ${shown}: ${listed(top, 3)}`,
      qualifier: `before ${shown}`,
      evidence: `before ${shown}`,
      worth: 0.85,
      any: [{ kind: 'after', value: next.value }],
    }
  }
}

/** The raised tokens really come next. */
function* nextTokenClaims(
  top: readonly Observation[],
  record: LatentRecord,
  pieces: readonly string[],
): Generator<Proposal> {
  const raised = new Set(record.top_logits.map(({ id }) => id))
  const come = tally(
    top.flatMap(({ next_id }) =>
      next_id !== undefined && raised.has(next_id) ? [nextText(next_id, pieces)] : [],
    ),
  ).slice(0, 3)
  if (come.length === 0) return
  const text = come.map(({ value }) => quote(value)).join(', ')
  yield {
    about: 'next',
    text: `predicts ${text}`,
    qualifier: `then ${text}`,
    evidence: 'followed by a token that it raises',
    worth: 0.8,
    any: come.map(({ value }) => ({ kind: 'next', value })),
  }
}

function* contextClaims(
  top: readonly Observation[],
  background: WordBackground | undefined,
): Generator<Proposal> {
  for (const { value: name } of tally(top.flatMap(({ language }) => language ?? []))) {
    const those = top.filter(({ language }) => language === name)
    yield {
      about: 'context',
      text: `${name} text: ${listed(those, 3)}`,
      qualifier: `in ${name} text`,
      evidence: `in ${name} text`,
      worth: 0.9,
      any: [{ kind: 'language', value: name }],
    }
  }
  const around = contextWords(top, background)
  if (around.length === 0) return
  const text = around.join(', ')
  yield {
    about: 'context',
    text: `about ${text}`,
    qualifier: `near ${text}`,
    evidence: `near ${text}`,
    worth: 0.75,
    any: around.map((value) => ({ kind: 'near', value })),
  }
}
