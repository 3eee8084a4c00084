import { expect, it } from 'vitest'
import { openRandom } from '../model/index.ts'
import { type AlignedPair, alignTokens } from './align.ts'

/** Words as ids by their spelling. */
const ids = (text: string) =>
  text.split(' ').map((word) => [...word].reduce((n, c) => n * 131 + c.charCodeAt(0), 0) % 1e9)
/** `the=the cat/dog +big -small` */
const shown = (a: string, b: string) => {
  const [words_a, words_b] = [a.split(' '), b.split(' ')]
  return alignTokens(ids(a), ids(b))
    .map(({ a, b }) => {
      if (a === undefined) return `+${words_b[b!]}`
      if (b === undefined) return `-${words_a[a]}`
      return words_a[a] === words_b[b] ? words_a[a] : `${words_a[a]}/${words_b[b]}`
    })
    .join(' ')
}

it('pairs a word that was exchanged', () => {
  expect(shown('the cat sat down', 'the dog sat down')).toBe('the cat/dog sat down')
  expect(shown('the old cat sat', 'the dog sat')).toBe('the old/dog -cat sat')
})

it('shows inserted reasoning as one run, though it holds words of the rest', () => {
  expect(shown('Q : a b ? A : 5 .', 'Q : a b ? so a is b and b : a . A : 5 .')).toBe(
    'Q : a b ? +so +a +is +b +and +b +: +a +. A : 5 .',
  )
  expect(
    shown('start u v w x y z end', 'start we reason that u is not what we want here and stop end'),
  ).toBe(
    'start -u -v -w -x -y -z +we +reason +that +u +is +not +what +we +want +here +and +stop end',
  )
})

it('keeps what both begin and end with, and the earliest of equal pairs', () => {
  expect(shown('a a a', 'a a')).toBe('a a -a')
  expect(shown('a b', 'a b')).toBe('a b')
  expect(shown('a', 'b')).toBe('a/b')
  expect(alignTokens([], [7, 7])).toEqual([{ b: 0 }, { b: 1 }])
  expect(alignTokens([], [])).toEqual([])
})

/** The score that alignTokens says it maximises. */
function score(pairs: readonly AlignedPair[], a: readonly number[], b: readonly number[]): number {
  let total = 0
  let before = ''
  for (const { a: i, b: j } of pairs) {
    const kind = i === undefined ? '+' : j === undefined ? '-' : '='
    if (kind === '=') total += a[i!] === b[j!] ? 2 : -2
    else if (kind !== before) total -= 3
    before = kind
  }
  return total
}

/** Every alignment there is. */
function* all(a: readonly number[], b: readonly number[], i = 0, j = 0): Generator<AlignedPair[]> {
  if (i === a.length && j === b.length) yield []
  if (i < a.length && j < b.length)
    for (const rest of all(a, b, i + 1, j + 1)) yield [{ a: i, b: j }, ...rest]
  if (i < a.length) for (const rest of all(a, b, i + 1, j)) yield [{ a: i }, ...rest]
  if (j < b.length) for (const rest of all(a, b, i, j + 1)) yield [{ b: j }, ...rest]
}

it('finds the best of all alignments between the common beginning and end', () => {
  const random = openRandom(5)
  const text = (n: number) => Array.from({ length: n }, () => Math.floor(random() * 3))
  for (let round = 0; round < 60; round++) {
    // Borders that are not the same in both.
    const [a, b] = [
      [7, ...text(round % 5), 7],
      [8, ...text((3 * round) % 6), 8],
    ]
    const best = Math.max(...[...all(a, b)].map((pairs) => score(pairs, a, b)))
    const found = alignTokens(a, b)
    expect(score(found, a, b)).toBe(best)
    expect(found.flatMap((pair) => pair.a ?? [])).toEqual(a.map((_, i) => i))
    expect(found.flatMap((pair) => pair.b ?? [])).toEqual(b.map((_, j) => j))
  }
})

it('refuses texts whose places would not fit in memory', () => {
  const long = (first: number) => Int32Array.from({ length: 12_000 }, (_, i) => first + (i % 5))
  expect(() => alignTokens(long(0), long(9))).toThrow(/12000 tokens against 12000 .* Shorten/)
})
