/** `hooke steer`: every way to steer, and its figures as JSON. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hooke } from './commandLine.ts'
import { type temporaryFolder, tinyWorkspace } from './tinySuite.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
const LATENT = 'blocks.4.hook_resid_post/5'

beforeAll(async () => {
  folder = await tinyWorkspace()
  suite = join(folder.path, 'tiny')
})
afterAll(() => folder.remove())

const steer = (...more: string[]) =>
  hooke('steer', suite, '--prompt', 'The ship', '--max-tokens', '6', ...more)

async function json<T>(...more: string[]): Promise<T> {
  const { code, message, printed } = await steer(...more, '--json')
  expect({ code, message }).toEqual({ code: 0, message: '' })
  return JSON.parse(printed) as T
}

type Steered = {
  interventions: object[]
  default: string
  steered: string
  prompted?: string
  perplexity: Record<string, number>
  tokens: Record<string, { piece: string; logprob: number; default_logprob: number }[]>
}
type Swept = {
  default: { perplexity: number; texts: string[] }
  points: { strength: number; kl: number; perplexity: number; verdict: string; texts: string[] }[]
  bands: object[]
  rule: string
}

describe('texts', () => {
  it('have their tokens, log-probabilities on both sides, and perplexity', async () => {
    const found = await json<Steered>('--latent', LATENT, '--instruction', 'Of ships.')
    for (const side of ['default', 'steered', 'prompted'] as const) {
      expect(found[side]).toBe(found.tokens[side]!.map(({ piece }) => piece).join(''))
      const mean = found.tokens[side]!.reduce((sum, t) => sum + t.default_logprob, 0) / 6
      expect(found.perplexity[side]).toBeCloseTo(Math.exp(-mean), 6)
    }
    for (const token of found.tokens.default!) expect(token.default_logprob).toBe(token.logprob)
  })

  it('a latent may have a mode and a strength of its own; positions and condition hold for all', async () => {
    const own = `${LATENT}:scale:3`
    const where = ['--positions', 'answer', '--conditional']
    const found = await json<Steered>('--latent', own, 'blocks.1.hook_resid_post/2', ...where)
    const both = { positions: 'answer', conditional: true }
    expect(found.interventions).toMatchObject([
      { hook: 'blocks.4.hook_resid_post', latent: 5, mode: 'scale', strength: 3, ...both },
      { hook: 'blocks.1.hook_resid_post', latent: 2, mode: 'add', strength: 1, ...both },
    ])
  })
})

describe('--sweep', () => {
  const sizes = ['--sweep', '--samples', '2', '--strengths', '1,0,-1']

  it('measures the default and every strength', async () => {
    const found = await json<Swept>('--latent', LATENT, ...sizes)
    expect(found.points.map(({ strength }) => strength)).toEqual([-1, 0, 1])
    expect(found.points[1]).toMatchObject({ kl: 0, texts: found.default.texts })
    expect(found.rule).toContain('standard errors')
  })

  it('prints a table, the band and its rule', async () => {
    const { code, printed } = await steer('--latent', LATENT, ...sizes)
    expect(code).toBe(0)
    expect(printed).toMatch(/^strength +KL +perplexity +repetition +activation +verdict\n/)
    expect(printed).toMatch(/\ndefault +– /)
    expect(printed).toMatch(/\n0 +0\.000 .*no effect\n/)
    expect(printed).toMatch(/\n(Useful: -?\d|No strength of these is useful\.)/)
  })
})

describe('refusals', () => {
  it.each([
    [['--strengths', '1'], 'need --sweep'],
    [['--then', 'And?'], '--then needs --chat'],
    [['--sweep', '--instruction', 'Of ships.'], 'takes neither --then nor --instruction'],
    [['--sweep', '--mode', 'ablate'], 'every intervention ablates'],
    [['--chat'], 'thimble-5m has no chat template'],
    [['--latent', `${LATENT}:turn:1`], 'expected HOOK/INDEX, HOOK/INDEX:MODE'],
    [['--latent', `${LATENT}:add:loud`], 'a strength from -100 to 100'],
  ])('%j', async (more, words) => {
    const latent = more.includes('--latent') ? [] : ['--latent', LATENT]
    const { code, message } = await steer(...latent, ...more)
    expect(code).not.toBe(0)
    expect(message).toContain(words)
  })

  it('names what --strengths takes', async () => {
    const { code, message } = await steer('--latent', LATENT, '--sweep', '--strengths', '0,much')
    expect(code).toBe(2)
    expect(message).toContain('separated by commas')
  })
})
