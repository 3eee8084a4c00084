/** Holds the import table: stages depend downwards only, through each other's index.ts, without cycles. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const SRC = resolve(import.meta.dirname, '../src')

/** Top to bottom: a stage may import those before it. The order of the tree in AGENTS.md. */
const STAGES = [
  'formats', 'files', 'hub', 'model', 'sae', 'steer', 'activations', 'synthetic', 'train', 'evaluate',
  'plots', 'latents', 'label', 'compare', 'store', 'search', 'jobs', 'api', 'server', 'mcp', 'cli',
] // biome-ignore format: one list, one glance

/** Stages that run in a browser. Files named disk.ts are their door to the file system and are not part of that promise. */
const PURE = [
  'formats',
  'model',
  'sae',
  'steer',
  'synthetic',
  'evaluate',
  'plots',
  'latents',
  'label',
  'compare',
  'api',
]
const DOOR = /\/disk(\.test)?\.ts$/

type Import = { from: string; to: string; line: string }

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('/kernels/assembly/'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  const pattern =
    /(?:import|export)\s[^'"]*?from\s+['"]([^'"]+)['"]|import\s*\(?\s*['"]([^'"]+)['"]/g
  return [...text.matchAll(pattern)].map((match) => ({
    from: file,
    to: match[1] ?? match[2] ?? '',
    line: match[0].split('\n')[0] ?? '',
  }))
}

const stageOf = (file: string) => relative(SRC, file).split('/')[0] ?? ''
const files = sources(SRC)
const isTest = (file: string) => file.endsWith('.test.ts')

describe('the tree', () => {
  it('has the folders that AGENTS.md names, in that order', () => {
    const agents = readFileSync(resolve(SRC, '../AGENTS.md'), 'utf8')
    const named = [...agents.matchAll(/^ {2}([a-z]+)\/ /gm)].map((match) => match[1])
    expect(named).toEqual(STAGES)
    const present = readdirSync(SRC, { withFileTypes: true }).filter((entry) => entry.isDirectory())
    expect(STAGES).toEqual(expect.arrayContaining(present.map((entry) => entry.name)))
  })

  it('imports downwards only, through index.ts', () => {
    const offences: string[] = []
    for (const file of files) {
      for (const { to, line } of importsOf(file)) {
        if (!to.startsWith('.')) continue
        const target = resolve(dirname(file), to)
        if (!target.startsWith(`${SRC}/`)) {
          if (!isTest(file) && !to.endsWith('package.json'))
            offences.push(`${relative(SRC, file)} leaves src: ${line}`)
          continue
        }
        const [here, there] = [stageOf(file), stageOf(target)]
        if (here === there || relative(SRC, file) === 'index.ts') continue
        if (STAGES.indexOf(there) > STAGES.indexOf(here))
          offences.push(`${relative(SRC, file)} imports upwards: ${line}`)
        if (!/^[^/]+\/(index|disk)\.ts$/.test(relative(SRC, target)))
          offences.push(`${relative(SRC, file)} reaches past index.ts: ${line}`)
      }
    }
    expect(offences).toEqual([])
  })

  it('keeps the pure stages free of node: modules', () => {
    const offences = files
      .filter((file) => PURE.includes(stageOf(file)) && !isTest(file) && !DOOR.test(file))
      .flatMap((file) => importsOf(file))
      .filter(
        ({ to, from }) =>
          to.startsWith('node:') || (to.includes('/files/') && stageOf(from) !== 'files'),
      )
      .map(({ from, line }) => `${relative(SRC, from)}: ${line}`)
    expect(offences).toEqual([])
  })

  it('has no import cycle', () => {
    const edges = new Map(
      files.map((file) => [
        file,
        importsOf(file)
          .filter(({ to, line }) => to.startsWith('.') && !/^(import|export) type/.test(line))
          .map(({ to }) => resolve(dirname(file), to)),
      ]),
    )
    const done = new Set<string>()
    const cycle = (file: string, path: string[]): string[] | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
      if (done.has(file)) return undefined
      for (const next of edges.get(file) ?? []) {
        const found = cycle(next, [...path, file])
        if (found) return found
      }
      done.add(file)
      return undefined
    }
    for (const file of files)
      expect(cycle(file, [])?.map((path) => relative(SRC, path))).toBeUndefined()
  })

  it('has no file past 600 lines', () => {
    const long = files.filter((file) => readFileSync(file, 'utf8').split('\n').length > 600)
    expect(long.map((file) => relative(SRC, file))).toEqual([])
  })
})
