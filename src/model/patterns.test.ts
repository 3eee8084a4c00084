import { expect, it } from 'vitest'
import { FormatError } from '../formats/index.ts'
import { checkPattern } from './patterns.ts'

const check = (source: string) => checkPattern('tokenizer.json', 'pre_tokenizer', source)

it.each([
  // As published models have them: groups once or not at all, at most two repetitions in a row.
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}]*[\\p{Ll}\\p{Lm}]+(?:x|y)?',
  '\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))',
  '(?:ab){2,5}',
  '[(a+)+]+',
  '\\(a+\\)+',
  '',
  'a)b',
])('takes %j', (source) => {
  expect(() => check(source)).not.toThrow()
})

it.each([
  ['(a+)+$', 'several ways'],
  ['(a|a)*$', 'several ways'],
  ['(?:a?)+', 'several ways'],
  ['(?:(?:a{2,3}))*', 'several ways'],
  ['((a|b)c){2,}', 'several ways'],
  ['(?=(.*)*x)', 'several ways'],
  ['(?:a+){9}', 'several ways'],
  ['a*a*a*a*$', 'more than 3 repetitions'],
  ['a*(?:b+c*)d*', 'more than 3 repetitions'],
  ['a'.repeat(5000), 'has 5000 characters'],
])('refuses %j', (source, message) => {
  expect(() => check(source)).toThrow(FormatError)
  expect(() => check(source)).toThrow(message)
})
