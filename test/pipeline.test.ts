/** The main job by command line on the bundled model and a little of its text: twice, and the results are the same bytes. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCorpus } from '../src/activations/index.ts'
import { evaluateSuite } from '../src/evaluate/index.ts'
import { openLatents } from '../src/latents/disk.ts'
import { openModel, padBatch } from '../src/model/index.ts'
import { listSuite, loadSae, readMetrics } from '../src/sae/disk.ts'
import { openRunner } from '../src/sae/index.ts'
import { steer } from '../src/steer/index.ts'
import { hooke } from './commandLine.ts'

const HOOKS = ['blocks.1.hook_resid_post', 'blocks.4.attn.hook_z']
let folder: string
let text: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hooke-pipeline-'))
  text = join(folder, 'text.txt')
  const anthology = await readFile('models/thimble-5m/anthology.txt', 'utf8')
  await writeFile(text, anthology.split('\n<|endoftext|>\n').slice(0, 40).join('\n<|endoftext|>\n'))
}, 60_000)
afterAll(() => rm(folder, { recursive: true }))

function trainArguments(suite: string, seed = '3'): string[] {
  const sizes = '--width 96 --l0 12 --tokens 30000 --batch 256'.split(' ')
  const given = ['--data', text, '--hooks', ...HOOKS, '--seed', seed, '--out', suite]
  return ['train', 'thimble-5m', ...given, ...sizes]
}

async function train(workspace: string): Promise<string> {
  const suite = join(folder, workspace, 'small')
  const steps = [trainArguments(suite), ['index', suite], ['label', suite]]
  for (const step of steps) {
    const { code, message } = await hooke(...step)
    expect(message).toBe('')
    expect(code).toBe(0)
  }
  return suite
}

describe('the pipeline by command line', () => {
  let suite: string
  it('trains, measures, indexes and labels, and the same seed gives the same bytes', async () => {
    suite = await train('first')
    const again = await train('second')
    const entries = await listSuite(suite)
    expect(entries.map(({ hook, d_sae }) => [hook, d_sae])).toEqual(HOOKS.map((hook) => [hook, 96]))
    for (const entry of entries) {
      for (const file of [
        'sae_weights.safetensors',
        'metrics.json',
        'latents.safetensors',
        'labels.json',
      ]) {
        const path = join(entry.path, file)
        const other = path.replace(suite, again)
        expect((await readFile(path)).equals(await readFile(other)), `${entry.hook} ${file}`).toBe(
          true,
        )
      }
    }
  }, 240_000)

  it('trains again only what is not there, and refuses other settings', async () => {
    const { code } = await hooke(...trainArguments(suite))
    expect(code).toBe(0)
    const other = await hooke(...trainArguments(suite, '4'))
    expect(other.message).toMatch(/seed/)
    expect(other.code).toBe(1)
  }, 120_000)

  it('prints the metrics as a table and as JSON', async () => {
    const { printed } = await hooke('eval', suite, '--json')
    const metrics = JSON.parse(printed) as {
      hook: string
      l0: number
      fvu: number
      delta_ce_loss: number
    }[]
    expect(metrics.map(({ hook }) => hook)).toEqual(HOOKS)
    for (const { l0, fvu, delta_ce_loss } of metrics) {
      expect(l0).toBeGreaterThan(1)
      expect(fvu).toBeGreaterThan(0)
      expect(fvu).toBeLessThan(1)
      expect(delta_ce_loss).toBeGreaterThan(0)
    }
    const table = (await hooke('eval', suite)).printed
    for (const { hook, l0 } of metrics)
      expect(table).toMatch(new RegExp(`${hook}.*${l0.toFixed(1)}`))
  }, 120_000)

  it('exported as params.npz and imported again, it measures the same', async () => {
    const exported = await hooke('export', suite, '--out', join(folder, 'npz', 'scope'))
    expect(exported.message).toBe('')
    const files = exported.printed.split('\n')
    expect(files).toHaveLength(2)
    const copy = join(folder, 'copies', 'copy')
    const imported = await hooke(
      'import',
      ...files,
      '--model',
      'thimble-5m',
      '--out',
      copy,
      '--l0',
      '12',
    )
    expect(imported.message).toBe('')
    const model = await openModel('thimble-5m')
    const corpus = await readCorpus([text], model.tokenizer!, { n_ctx: 256 })
    const measure = async (path: string) => {
      const runner = await openRunner(await loadSae(path))
      const metrics = await evaluateSuite(model, [runner], corpus, { n_tokens: 2000 })
      await runner.close()
      return metrics.get(runner)
    }
    for (const [i, entry] of (await listSuite(suite)).entries()) {
      const twin = (await listSuite(copy))[i]!
      expect(await measure(twin.path)).toEqual(await measure(entry.path))
      expect(await readMetrics(entry.path)).toBeDefined()
    }
    await model.close()
  }, 120_000)

  it('refuses an SAE of another width than the model', async () => {
    const { code, message } = await hooke(
      'import',
      'test/fixtures/gemma-scope-npz/stored.npz',
      '--model',
      'thimble-5m',
      '--hook',
      'blocks.0.hook_resid_post',
      '--l0',
      '3',
      '--out',
      join(folder, 'x'),
    )
    expect(message).toMatch(/d_in.*256|256.*d_in/)
    expect(code).toBe(1)
  })

  it('takes a label by hand, finds it, and steers with the latent', async () => {
    const latent = `${HOOKS[0]}/5`
    const labelled = await hooke(
      'label',
      suite,
      '--latent',
      latent,
      'ships <b>under</b> sail',
      '--author',
      'Ann',
    )
    expect(labelled.message).toBe('')
    const { printed } = await hooke('search', suite, 'ships sail', '--json')
    const [hit] = (
      JSON.parse(printed) as { hits: { hook: string; index: number; label: string }[] }
    ).hits
    expect(hit).toMatchObject({ hook: HOOKS[0], index: 5, label: 'ships <b>under</b> sail' })
    const steered = await hooke(
      'steer',
      suite,
      '--latent',
      latent,
      '--strength',
      '8',
      '--prompt',
      'The sea',
      '--max-tokens',
      '12',
      '--json',
    )
    const texts = JSON.parse(steered.printed) as { default: string; steered: string }
    expect(texts.default).not.toBe('')
    expect(texts.steered).not.toBe(texts.default)
    const still = await hooke(
      'steer',
      suite,
      '--latent',
      latent,
      '--strength',
      '0',
      '--prompt',
      'The sea',
      '--max-tokens',
      '12',
      '--json',
    )
    const same = JSON.parse(still.printed) as { default: string; steered: string }
    expect(same.steered).toBe(same.default)
  }, 120_000)

  it('steered text, read again by the model as it is, holds more of a latent than the default over 20 seeds each', async () => {
    const [entry] = await listSuite(suite)
    const latents = await openLatents(entry!.path)
    const { info, columns } = await latents.read().finally(() => latents.close())
    // The trained latents that their own direction feeds most: the largest products of decoder row and encoder column.
    const sae = await loadSae(entry!.path)
    const gain = (i: number) => {
      let dot = 0
      for (let k = 0; k < sae.d_in; k++)
        dot += sae.W_dec[i * sae.d_in + k]! * sae.W_enc[k * sae.d_sae + i]!
      return columns.n_active[i]! > 50 && columns.n_active[i]! < 0.05 * info.n_tokens ? dot : 0
    }
    const chosen = [...Array(sae.d_sae).keys()].sort((a, b) => gain(b) - gain(a)).slice(0, 3)
    const model = await openModel('thimble-5m')
    const runner = await openRunner(sae)
    const meanActivation = async (latent: number, text: string) => {
      const ids = model.tokenizer!.tokenize(text)
      const { acts } = await model.forward(padBatch([ids]), { hooks: [sae.hook_name] })
      const { index, value } = await runner.encode(acts.get(sae.hook_name)!.data.subarray(sae.d_in))
      return index.reduce((sum, i, at) => (i === latent ? sum + value[at]! : sum), 0) / ids.length
    }
    const rises: number[] = []
    for (const latent of chosen) {
      const max_act = columns.max_act[latent]!
      const interventions = [{ sae, latent, mode: 'add', strength: 1, max_act } as const]
      for (let seed = 0; seed < 20; seed++) {
        const options = { prompt: 'In the morning', max_tokens: 16, temperature: 0.8, seed }
        for await (const event of steer(model, { ...options, interventions })) {
          if (event.type !== 'done') continue
          const plain = await meanActivation(latent, event.default)
          rises.push((await meanActivation(latent, event.steered)) - plain)
        }
      }
    }
    await runner.close()
    await model.close()
    const mean = rises.reduce((a, b) => a + b) / rises.length
    const variance = rises.reduce((sum, rise) => sum + (rise - mean) ** 2, 0) / (rises.length - 1)
    expect(rises).toHaveLength(60)
    expect(mean).toBeGreaterThan(2 * Math.sqrt(variance / rises.length))
  }, 120_000)

  it('says which latents there are when one is named wrongly', async () => {
    const { code, message } = await hooke(
      'steer',
      suite,
      '--latent',
      'blocks.9.hook_resid_post/1',
      '--prompt',
      'x',
    )
    expect(message).toMatch(/HOOK\/INDEX.*blocks\.1\.hook_resid_post/)
    expect(code).toBe(2)
  })
})
