import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { leanStart, startOf } from './lean.ts'

const argv = (line: string): string[] => ['node', 'main.ts', ...line.split(' ')]

describe('startOf', () => {
  it.each([
    ['generate a --weights q8', 'q8'],
    ['generate a --weights=q4 --memory 4GB', 'q4'],
    ['capture a --memory=4GB', 'bf16'],
    ['capture a --memory 4GB --weights f32', 'bf16'],
    ['generate a --weights f32 --weights q4', 'q4'],
  ] as const)('reads %s', (line, weights) => {
    expect(leanStart(weights)).toBeDefined()
    expect(startOf(argv(line))).toEqual(leanStart(weights))
  })

  it.each([
    'generate a',
    'generate a --weights f32',
    'generate a --weights i16',
    'generate a --weights none',
    'generate a --weights',
  ])('leaves %s as it is', (line) => {
    expect(startOf(argv(line))).toBeUndefined()
  })
})

describe.runIf(process.platform === 'linux')('the command line', () => {
  it('starts anew once, with its arguments, for weights of few bits', async () => {
    const tell = 'data:text/javascript,process.stderr.write(process.execArgv.at(0) + " ")'
    const main = join(import.meta.dirname, 'main.ts')
    const args = ['--import', tell, main, 'generate', '--weights', 'q8', '--help']
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
    expect(stderr).toBe('--import --max-semi-space-size=1 ')
    expect(stdout).toContain('hooke generate')
  })
})
