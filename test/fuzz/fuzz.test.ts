/** A short round of every target, inputs that once failed or must never, and the harness on readers that are broken. */

import { basename, dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TARGETS as BROKEN } from './brokenTargets.ts'
import { fixture, fixturesBelow } from './fixtures.ts'
import { tryInput } from './judge.ts'
import { inputKey } from './protocol.ts'
import { Random } from './random.ts'
import type { Files } from './target.ts'
import { TARGETS } from './targets/index.ts'
import { watch } from './watch.ts'

const REGRESSIONS = 'test/fuzz/regressions'
const N_INPUTS = 500

describe.each(TARGETS)('$name', (target) => {
  it('is read, or refused with a FormatError that names the file', async () => {
    const seeds = await target.seeds()
    for (const seed of seeds) expect(await tryInput(target, seed)).toEqual({ kind: 'read' })
    const kinds = new Set<string>()
    const faults: string[] = []
    for (let index = 0; index < N_INPUTS; index++) {
      const input = target.mutate(new Random(inputKey(target.name, 11, index)), seeds)
      const { kind, fault } = await tryInput(target, input)
      kinds.add(kind)
      if (fault !== undefined) faults.push(`input ${index} of seed 11: ${fault}`)
    }
    expect(faults).toEqual([])
    // Mutants that all end at the first check would show nothing.
    expect(kinds).toContain('read')
    expect(kinds.size).toBeGreaterThan(5)
  })

  it('makes the same inputs of the same seed', async () => {
    const seeds = await target.seeds()
    const make = (seed: number) =>
      Array.from({ length: 20 }, (_, i) =>
        target.mutate(new Random(inputKey(target.name, seed, i)), seeds),
      )
    expect(make(3)).toEqual(make(3))
    expect(make(3)).not.toEqual(make(4))
  })

  const paths = fixturesBelow(`${REGRESSIONS}/${target.name}`)
  const cases = [...new Set(paths.map(dirname))]
  it.each(cases.map((folder) => [basename(folder), folder]))('withstands %s', async (_, folder) => {
    const files: Files = Object.fromEntries(
      paths
        .filter((path) => dirname(path) === folder)
        .map((path) => [basename(path), fixture(path)]),
    )
    expect((await tryInput(target, files)).fault).toBeUndefined()
  })
})

describe('the harness', () => {
  const FAULTS: Readonly<Record<string, string | undefined>> = {
    'other-error': 'RangeError',
    nameless: 'names no file',
    nothing: 'says undefined',
    terminal: 'control characters',
    long: 'has 5012 characters',
    pollutes: 'polluted',
    forgets: 'nobody waits for this',
    allocates: 'allocated 16777216 bytes for an input of 8',
    hoards: 'memory limit',
    hangs: 'took longer than',
    fine: undefined,
  }

  it.each(BROKEN)('on a reader that is broken: $name', async ({ name }) => {
    const { findings } = await watch({
      targets_url: new URL('./brokenTargets.ts', import.meta.url).href,
      target: name,
      seed: 1,
      first: 0,
      n: 9,
      limit_ms: name === 'hangs' ? 1500 : 30_000,
      reach: false,
    })
    const fault = FAULTS[name]
    // What all objects inherit stays changed for the inputs after it, which are right.
    expect(findings).toEqual(
      fault === undefined ? [] : [{ index: 7, fault: expect.stringContaining(fault) }],
    )
  })

  it('counts the lines that were reached, and tells which were not', async () => {
    const { reach, kinds } = await watch({
      targets_url: new URL('./brokenTargets.ts', import.meta.url).href,
      target: 'fine',
      seed: 1,
      first: 0,
      n: 9,
      limit_ms: 5000,
      reach: true,
    })
    expect([...kinds.values()].reduce((sum, count) => sum + count)).toBe(9)
    const [file] = reach
    const source = fixture('src/formats/memory.ts')
    const lines = new TextDecoder().decode(source).split('\n')
    expect(file).toMatchObject({ source: 'formats/memory.ts' })
    const missed = file!.missed.map((line) => lines[line - 1]!.trim())
    expect(missed).toContain('async read(offset, length) {')
    expect(missed).not.toContain('return {')
    expect(file!.missed.length).toBeLessThan(file!.n_lines)
  })
})
