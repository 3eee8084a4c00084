import { expect, test } from 'vitest'
import { diffTokens } from './tokenDiff.ts'

const marked = (a: string, b: string) => {
  const [x, y] = [a.split(' ').filter(Boolean), b.split(' ').filter(Boolean)]
  const diff = diffTokens(x, y)
  return [x.filter((_, i) => diff.a[i]), y.filter((_, i) => diff.b[i])]
}

test('equal texts have no difference', () => {
  expect(marked('the sea was calm', 'the sea was calm')).toEqual([[], []])
})

test('a replaced word is marked on both sides and nothing else', () => {
  expect(marked('the sea was calm', 'the moon was calm')).toEqual([['sea'], ['moon']])
})

test('an inserted word is marked on its side only', () => {
  expect(marked('the sea was calm', 'the cold sea was calm')).toEqual([[], ['cold']])
})

test('an empty side leaves the other marked whole', () => {
  expect(marked('', 'the sea')).toEqual([[], ['the', 'sea']])
})

test('the unmarked tokens of both sides are the same sequence, as long as the longest common one', () => {
  let seed = 7
  const random = (n: number) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 8) % n
  }
  const slow = (a: readonly string[], b: readonly string[]): number =>
    a.length === 0 || b.length === 0
      ? 0
      : a[0] === b[0]
        ? 1 + slow(a.slice(1), b.slice(1))
        : Math.max(slow(a.slice(1), b), slow(a, b.slice(1)))
  for (let round = 0; round < 40; round++) {
    const a = Array.from({ length: random(9) }, () => 'abc'[random(3)] ?? '')
    const b = Array.from({ length: random(8) }, () => 'abc'[random(3)] ?? '')
    const diff = diffTokens(a, b)
    const keptA = a.filter((_, i) => !diff.a[i])
    const keptB = b.filter((_, i) => !diff.b[i])
    expect(keptA).toEqual(keptB)
    expect(keptA.length).toBe(slow(a, b))
  }
})
