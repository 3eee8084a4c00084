import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { keyList } from './keyList.ts'
import { titleAt, viewAt, views } from './views.ts'

const sources = join(import.meta.dirname, '..')

/** The chords in the maps that the sources give to useKeys: names before a colon at the first depth of braces. */
function boundKeys(): { file: string; chord: string }[] {
  return globSync('**/*.tsx', { cwd: sources }).flatMap((file) => {
    const text = readFileSync(join(sources, file), 'utf8')
    return [...text.matchAll(/useKeys\(\{/g)].flatMap(({ index }) =>
      chordsOf(text.slice(index + 'useKeys('.length)).map((chord) => ({ file, chord })),
    )
  })
}

function chordsOf(text: string): string[] {
  const chords: string[] = []
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if ('{(['.includes(c)) depth++
    else if ('})]'.includes(c) && --depth === 0) break
    const named = depth === 1 && /^[{,]\s*(?:'([^']+)'|(\w+)):/.exec(text.slice(i))
    if (named) chords.push(named[1] ?? named[2]!)
  }
  return chords
}

/** What a file with keys is part of, where its name does not say so. */
const places: Readonly<Record<string, string>> = {
  CompareBoard: 'Compare',
  LabelEditor: 'Latent',
  ReviewLatent: 'Review',
  RunLine: 'Suite',
  ShareButton: 'Everywhere',
  Shell: 'Everywhere',
  SteerDock: 'Everywhere',
}

test('help lists every key that a view listens to, under that view', () => {
  const listed = new Set(
    keyList.flatMap(({ where, keys }) => keys.map((key) => `${where}: ${key}`)),
  )
  const bound = boundKeys().map(({ file, chord }) => {
    const name = basename(file, '.tsx')
    return `${places[name] ?? name}: ${chord}`
  })
  expect(bound.length).toBeGreaterThan(30)
  expect(bound.filter((key) => !listed.has(key))).toEqual([])
})

test('no key but those of fields and of the frame is listed without being bound', () => {
  const bound = new Set(boundKeys().map(({ chord }) => chord))
  const frame = new Set(['mod k', ...views.map(({ key }) => `g ${key}`)])
  const unbound = keyList
    .flatMap(({ keys }) => keys)
    .filter((key) => !key.startsWith(' ') && !bound.has(key) && !frame.has(key))
  expect(unbound).toEqual([])
})

test('every view has a name and a title of its own', () => {
  expect(viewAt('/search')).toBe('Search')
  expect(viewAt('/nowhere')).toBeUndefined()
  expect(titleAt('/')).toBe('Microscope – Hooke')
  expect(titleAt('/latent/s~blocks.3.hook_resid_post~width_2k~l0_32/7')).toBe('layer 3 · 7 – Hooke')
  expect(titleAt('/latent/%E0%A4%A/7')).toBe('%E0%A4%A · 7 – Hooke')
  expect(titleAt('/nowhere')).toBe('Not found – Hooke')
  expect(new Set(views.map(({ key }) => key)).size).toBe(views.length)
})
