import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expectClose } from '../../test/golden.ts'
import { SEA, seaSae } from '../../test/handmadeSaes.ts'
import { packageRoot } from '../files/index.ts'
import {
  chatEnds,
  generate,
  type HookName,
  type Model,
  openModel,
  padBatch,
  tokenizeChat,
} from '../model/index.ts'
import type { Sae } from '../sae/index.ts'
import { type Intervention, latentValue } from './interventions.ts'
import { type SteerEvent, type SteerOptions, steer } from './steer.ts'

const model = await openModel('thimble-5m', { threads: 1 })
afterAll(() => model.close())
const hook: HookName = 'blocks.3.hook_resid_post'
const d_in = model.config.d_model

const mean = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length

/** The latent's value at every token of a text but BOS, in the model as it is. */
async function values(sae: Sae, text: string): Promise<number[]> {
  const tokens = model.tokenizer!.tokenize(text)
  const { acts } = await model.forward(padBatch([tokens]), { hooks: [hook] })
  const { data } = acts.get(hook)!
  return Array.from({ length: tokens.length - 1 }, (_, t) =>
    latentValue(sae, 0, data.subarray((t + 1) * d_in, (t + 2) * d_in)),
  )
}

describe('steer', async () => {
  const sae = await seaSae(model, hook)
  const max_act = Math.max(...(await values(sae, SEA)))
  const run = (intervention: Partial<Intervention>, seed: number): Promise<SteerEvent[]> =>
    Array.fromAsync(
      steer(model, {
        prompt: 'Then',
        max_tokens: 10,
        temperature: 0.8,
        seed,
        interventions: [{ sae, latent: 0, mode: 'add', strength: 1, max_act, ...intervention }],
      }),
    )
  const texts = (events: SteerEvent[]) => {
    const last = events.at(-1)!
    if (last.type !== 'done') throw new Error('the last event is not done')
    return last
  }

  it('gives both sides in turn, then both texts', async () => {
    const events = await run({}, 1)
    const tokens = events.filter((event) => event.type === 'token')
    expect(tokens.slice(0, 4).map(({ side }) => side)).toEqual([
      'default',
      'steered',
      'default',
      'steered',
    ])
    for (const side of ['default', 'steered'] as const) {
      const own = tokens.filter((event) => event.side === side)
      expect(own.map(({ text }) => text).join('')).toBe(texts(events)[side])
    }
  })

  it('gives equal texts where the intervention does nothing: the sides share their random numbers', async () => {
    const done = texts(await run({ mode: 'scale', strength: 1 }, 2))
    expect(done.steered).toBe(done.default)
  })

  it('raises the mean activation of the steered latent in the text, over 20 seeds', async () => {
    const differences: number[] = []
    for (let seed = 0; seed < 20; seed++) {
      const done = texts(await run({}, seed))
      const [steered, plain] = [await values(sae, done.steered), await values(sae, done.default)]
      differences.push(mean(steered) - mean(plain))
    }
    const deviation = Math.sqrt(mean(differences.map((x) => (x - mean(differences)) ** 2)))
    // Three standard errors above none.
    expect(mean(differences)).toBeGreaterThan((3 * deviation) / Math.sqrt(20))
  })
})

/** The events of a run, the last one apart. */
async function runAll(of: Model, options: SteerOptions) {
  const events = await Array.fromAsync(steer(of, options))
  const done = events.at(-1)!
  if (done.type !== 'done') throw new Error('the last event is not done')
  return { tokens: events.filter((event) => event.type === 'token'), done }
}

describe('what stands beside the texts', async () => {
  const sae = await seaSae(model, hook)
  const max_act = Math.max(...(await values(sae, SEA)))
  const add = { sae, latent: 0, mode: 'add', strength: 1, max_act } as const
  const asked = { prompt: 'Then', max_tokens: 12, temperature: 0.8, seed: 4 }

  it('log-probabilities of the default text are those it was drawn with', async () => {
    const { tokens, done } = await runAll(model, { ...asked, interventions: [add] })
    const drawn = tokens.filter(({ side }) => side === 'default').map(({ logprob }) => logprob)
    expect(done.logprobs.default).toEqual(drawn)
  })

  it("those of a steered text are the model's own losses on it", async () => {
    const strong = { ...add, strength: 2 }
    const { tokens, done } = await runAll(model, { ...asked, interventions: [strong] })
    const pieces = tokens.filter(({ side }) => side === 'steered').map(({ piece }) => piece)
    const prompt = model.tokenizer!.tokenize(asked.prompt)
    const answer = pieces.map((piece) => model.tokenizer!.pieces.indexOf(piece))
    const { next_token_loss } = await model.forward(
      padBatch([Int32Array.from([...prompt, ...answer])]),
      { loss: true },
    )
    const losses = next_token_loss!.slice(prompt.length - 1)
    expectClose(
      Float32Array.from(done.logprobs.steered!),
      losses.map((loss) => -loss),
      1e-5,
    )
    // The steered model thinks otherwise of its own text.
    const own = tokens.filter(({ side }) => side === 'steered').map(({ logprob }) => logprob)
    expect(mean(own)).toBeGreaterThan(mean(done.logprobs.steered!) + 0.1)
  })

  it('an instruction asks for a third text, from the same seed, with no latent changed', async () => {
    const instruction = 'Text about the sea.'
    const { tokens, done } = await runAll(model, { ...asked, interventions: [add], instruction })
    expect(tokens.slice(0, 3).map(({ side }) => side)).toEqual(['default', 'steered', 'prompted'])
    let expected = ''
    const prompt = `${instruction}\n\n${asked.prompt}`
    for await (const token of generate(model, { ...asked, prompt })) expected += token.text
    expect(done.prompted).toBe(expected)
    expect(done.logprobs.prompted).toHaveLength(
      tokens.filter(({ side }) => side === 'prompted').length,
    )
    const without = await runAll(model, { ...asked, interventions: [add] })
    expect(without.done).not.toHaveProperty('prompted')
    expect(without.done.steered).toBe(done.steered)
  })

  it('positions reach the text: the same steering of the prompt or the answer gives other texts', async () => {
    const texts = new Set<string>()
    for (const positions of ['all', 'prompt', 'answer'] as const) {
      const interventions = [{ ...add, strength: 3, positions }]
      texts.add((await runAll(model, { ...asked, prompt: SEA, interventions })).done.steered)
    }
    expect(texts.size).toBe(3)
  })

  it('refuses what has no side to go on from', async () => {
    const run = (options: Partial<SteerOptions>) =>
      runAll(model, { ...asked, interventions: [add], ...options })
    await expect(run({ ids: Int32Array.of(2) })).rejects.toThrow('either a prompt or ids')
    await expect(
      run({ prompt: undefined, ids: Int32Array.of(2), instruction: 'Sea.' }),
    ).rejects.toThrow('needs a prompt that is text')
    await expect(run({ chat: [] })).rejects.toThrow('thimble-5m has no chat template')
  })
})

describe('a chat', () => {
  const TEMPLATE =
    "{% for m in messages %}{{ m['role'] }} says: {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant says:{% endif %}"
  let folder: string
  let speaker: Model
  let sae: Sae
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hooke-steer-'))
    await cp(join(packageRoot(), 'models/thimble-5m'), join(folder, 'talker'), { recursive: true })
    await writeFile(join(folder, 'talker/chat_template.jinja'), TEMPLATE)
    speaker = await openModel(join(folder, 'talker'), { threads: 1 })
    sae = await seaSae(model, hook)
  })
  afterAll(async () => {
    await speaker.close()
    await rm(folder, { recursive: true })
  })
  const asked = { prompt: 'And the water?', max_tokens: 8, seed: 2 }
  const add = (): Intervention => ({ sae, latent: 0, mode: 'add', strength: 2, max_act: 10 })

  it('goes on with what each side itself answered before', async () => {
    const turn = {
      user: 'What is there?',
      default: 'A law.',
      steered: 'The sea.',
      prompted: 'Ships.',
    }
    const instruction = 'Text about the sea.'
    const { done } = await runAll(speaker, {
      ...asked,
      interventions: [{ ...add(), strength: 0 }],
      chat: [turn],
      instruction,
    })
    for (const side of ['default', 'steered', 'prompted'] as const) {
      const lead = side === 'prompted' ? `${instruction}\n\n` : ''
      const ids = tokenizeChat(speaker, [
        { role: 'user', content: `${lead}${turn.user}` },
        { role: 'assistant', content: turn[side] },
        { role: 'user', content: asked.prompt },
      ])
      const { prompt: _, ...sampling } = asked
      const stop = chatEnds(speaker)
      let expected = ''
      for await (const token of generate(speaker, { ...sampling, ids, stop }))
        expected += token.text
      expect(done[side]).toBe(expected)
    }
  })

  it('steers what is said and not the template, in a plain prompt not what is special either', async () => {
    const chat = [{ user: 'What is there?', default: 'A law.', steered: 'A law.' }]
    const strong = { ...add(), strength: 6 }
    const texts = new Set<string>()
    for (const part of [{}, { frame: true }, { positions: 'prompt' }, { positions: 'answer' }]) {
      const interventions = [{ ...strong, ...part } as Intervention]
      texts.add((await runAll(speaker, { ...asked, chat, interventions })).done.steered)
    }
    expect(texts.size).toBe(4)
    const { bos } = speaker.tokenizer!
    const special = Int32Array.of(bos!, bos!)
    const { prompt: _, ...rest } = { ...asked, chat: undefined, ids: special, max_tokens: 1 }
    const { done } = await runAll(speaker, {
      ...rest,
      interventions: [{ ...strong, strength: 90 }],
    })
    expect(done.steered).toBe(done.default)
  })

  it('needs an earlier answer of every side', async () => {
    const options = {
      ...asked,
      interventions: [add()],
      chat: [{ user: 'Hi', default: 'a', steered: 'b' }],
    }
    await expect(runAll(speaker, options)).resolves.toBeDefined()
    await expect(runAll(speaker, { ...options, instruction: 'Sea.' })).rejects.toThrow(
      'turn 1 of the chat has no prompted answer',
    )
  })
})
