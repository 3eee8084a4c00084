/** What `train` promises: the same bytes, however it ran; sparsity as asked; the planted dictionary found. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadSae } from '../sae/disk.ts'
import { encode } from '../sae/index.ts'
import { syntheticSource } from '../synthetic/index.ts'
import { TrainingStopped } from './errors.ts'
import { train } from './trainer.ts'
import type { TrainOptions, TrainPoint } from './types.ts'

const HOOKS = ['blocks.0.hook_resid_post', 'blocks.1.hook_mlp_out'] as const
const folders: string[] = []

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hooke-train-'))
  folders.push(folder)
  return folder
}

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true })
})

function smallRun(out: string): TrainOptions {
  return {
    source: syntheticSource({ hooks: HOOKS, d_in: 21, n_features: 40, l0: 3, seed: 2 }),
    saes: [
      { hook: HOOKS[0], d_sae: 67, l0: 4 },
      { hook: HOOKS[1], d_sae: 67, l0: 4 },
      { hook: HOOKS[1], d_sae: 90, l0: 6 },
    ],
    out,
    batch_size: 50,
    n_tokens: 1000,
    seed: 7,
    recipe: { shards: 3, lr: 0.01, point_every_steps: 4, dead_window_tokens: 200 },
  }
}

/** Weights of every SAE of a suite, by path. */
async function weightFiles(out: string): Promise<Map<string, string>> {
  const paths = await readdir(out, { recursive: true })
  const weights = paths.filter((path) => path.endsWith('.safetensors')).sort()
  const bytes = await Promise.all(weights.map((path) => readFile(join(out, path), 'base64')))
  return new Map(weights.map((path, i) => [path, bytes[i]!]))
}

async function stopAfter(options: TrainOptions, step: number): Promise<TrainingStopped> {
  const controller = new AbortController()
  const onPoint: TrainOptions['onPoint'] = (progress) => {
    if (progress.step >= step) controller.abort()
  }
  return train({ ...options, signal: controller.signal, onPoint }).then(
    () => expect.unreachable('the training was not stopped'),
    (error) => error,
  )
}

describe('train', () => {
  it('gives the same bytes on one thread, on three, and when stopped twice and taken up again', async () => {
    const [one, three, stopped] = [await newFolder(), await newFolder(), await newFolder()]
    const points: TrainPoint[][] = []
    await train({ ...smallRun(one), threads: 1, onPoint: (p) => points.push([...p.points]) })
    await train({ ...smallRun(three), threads: 3 })
    const options = smallRun(stopped)
    const first = await stopAfter(options, 5)
    expect(first).toBeInstanceOf(TrainingStopped)
    expect(first).toMatchObject({ name: 'AbortError', step: 8 })
    expect(first.message).toContain(first.checkpoint)
    expect(await stopAfter({ ...options, threads: 2 }, 16)).toMatchObject({ step: 16 })
    const rest: TrainPoint[][] = []
    await train({ ...options, onPoint: (p) => rest.push([...p.points]) })

    const expected = await weightFiles(one)
    expect(expected.size).toBe(3)
    expect(await weightFiles(three)).toEqual(expected)
    expect(await weightFiles(stopped)).toEqual(expected)
    const untimed = (point: TrainPoint) => ({ ...point, tokens_per_s: 0 })
    expect(rest.map((p) => p.map(untimed))).toEqual(points.slice(4).map((p) => p.map(untimed)))
  })

  it('keeps two checkpoints, and none when done', async () => {
    const out = await newFolder()
    const options = smallRun(out)
    const every = { ...options, recipe: { ...options.recipe, checkpoint_every_steps: 3 } }
    await stopAfter(every, 12)
    expect((await readdir(join(out, 'checkpoint'))).sort()).toEqual([
      'step_000000009.safetensors',
      'step_000000012.safetensors',
    ])
    await train(every)
    expect(await readdir(out)).not.toContain('checkpoint')
  })

  it('refuses a checkpoint of another configuration and names what differs', async () => {
    const options = smallRun(await newFolder())
    await stopAfter(options, 4)
    await expect(train({ ...options, seed: 8 })).rejects.toThrow('seed was 7, now 8')
    const recipe = { ...options.recipe, lr: 0.02 }
    await expect(train({ ...options, recipe })).rejects.toThrow(
      'saes.0.recipe.lr was 0.01, now 0.02',
    )
  })

  it('says what cannot be trained', async () => {
    const options = smallRun(await newFolder())
    await expect(train({ ...options, n_tokens: 49 })).rejects.toThrow('less than one batch of 50')
    await expect(train({ ...options, saes: [] })).rejects.toThrow('no SAE')
    const elsewhere = { hook: 'blocks.9.hook_resid_post' as const, d_sae: 64, l0: 4 }
    await expect(train({ ...options, saes: [elsewhere] })).rejects.toThrow(
      'blocks.9.hook_resid_post is not in',
    )
    const dense = { hook: HOOKS[0], d_sae: 64, l0: 64 }
    await expect(train({ ...options, saes: [dense] })).rejects.toThrow('between 0 and d_sae 64')
    const [sae] = options.saes
    const transcoder = { ...sae!, hook_out: HOOKS[1] }
    await expect(train({ ...options, saes: [sae!, transcoder] })).rejects.toThrow(
      'two SAEs would be saved as blocks.0.hook_resid_post/width_67/l0_4',
    )
    const recipe = { learning_rate: 1 } as TrainOptions['recipe']
    await expect(train({ ...options, ...(recipe && { recipe }) })).rejects.toThrow('learning_rate')
  })

  it('stops an SAE alone whose activations are not finite, keeps its last good state, and says so', async () => {
    const [out, whole] = [await newFolder(), await newFolder()]
    const options = smallRun(out)
    const recipe = { ...options.recipe, checkpoint_every_steps: 4 }
    const { source } = options
    // The second site breaks in the batch of step 7.
    const poisoned = (from: number): TrainOptions['source'] => ({
      ...source,
      async *batches(request) {
        let index = request.first_batch ?? 0
        for await (const batch of source.batches(request)) {
          if (index++ >= from) batch.acts.get(HOOKS[1])![5] = Number.NaN
          yield batch
        }
      },
    })
    const points: TrainPoint[] = []
    const result = await train({
      ...options,
      recipe,
      source: poisoned(6),
      onPoint: (progress) => points.push(...progress.points),
    })
    expect(result.saes.map(({ failed }) => failed?.step)).toEqual([undefined, 7, 7])
    expect(result.saes[1]!.failed).toMatchObject({ last_good_step: 4 })
    expect(result.saes[1]!.failed!.reason).toContain('the loss of blocks.1.hook_mlp_out is NaN')
    expect((await readdir(result.saes[1]!.folder)).sort()).toEqual([
      'failed.json',
      'last_good.safetensors',
    ])
    expect(points.filter(({ step }) => step > 7).map(({ hook }) => hook)).not.toContain(HOOKS[1])
    expect(points.every(({ mse }) => Number.isFinite(mse))).toBe(true)
    // The other SAE is what it would have been.
    await train({ ...smallRun(whole), recipe })
    const path = join(HOOKS[0], 'width_67', 'l0_4', 'sae_weights.safetensors')
    expect((await weightFiles(out)).get(path)).toBe((await weightFiles(whole)).get(path))

    await expect(
      train({ ...smallRun(await newFolder()), saes: [options.saes[1]!], source: poisoned(0) }),
    ).rejects.toThrow('the loss of blocks.1.hook_mlp_out is NaN')
  })

  it('trains the same SAE whatever is trained beside it', async () => {
    const [together, alone] = [await newFolder(), await newFolder()]
    await train(smallRun(together))
    const options = smallRun(alone)
    for (const spec of [...options.saes].reverse())
      await train({ ...options, saes: [spec], threads: 1 })
    expect(await weightFiles(alone)).toEqual(await weightFiles(together))
  })

  it('waits between steps where it is held', async () => {
    const options = smallRun(await newFolder())
    let [asked, waited] = [0, 0]
    const hold = () => {
      if (++asked !== 3) return undefined
      return new Promise<void>((resolve) => {
        setTimeout(() => {
          waited++
          resolve()
        }, 20)
      })
    }
    await train({ ...options, hold })
    expect([asked, waited]).toEqual([20, 1])
  })

  it('finds the planted dictionary at the sparsity asked for', async () => {
    const hook = HOOKS[0]
    const [d_in, n_features, l0] = [48, 96, 5]
    const source = syntheticSource({ hooks: [hook], d_in, n_features, l0, seed: 4 })
    const out = await newFolder()
    const result = await train({
      ...{ source, out, seed: 1, batch_size: 512, n_tokens: 512 * 600 },
      saes: [{ hook, d_sae: 192, l0 }],
    })
    const sae = await loadSae(result.saes[0]!.folder)
    for (let i = 0; i < sae.d_sae; i++)
      expect(Math.hypot(...sae.W_dec.subarray(i * d_in, (i + 1) * d_in))).toBeCloseTo(1, 5)

    for await (const { acts } of source.batches({ batch_size: 512, seed: 99 })) {
      const measured = encode(sae, acts.get(hook)!).value.length / 512
      expect(Math.abs(measured / l0 - 1), `held-out l0 ${measured}`).toBeLessThan(0.1)
      break
    }
    const truth = source.dictionary.get(hook)!
    let sum = 0
    for (let f = 0; f < n_features; f++) {
      let best = 0
      for (let i = 0; i < sae.d_sae; i++) {
        let cosine = 0
        for (let k = 0; k < d_in; k++) cosine += truth[f * d_in + k]! * sae.W_dec[i * d_in + k]!
        best = Math.max(best, cosine)
      }
      sum += best
    }
    expect(sum / n_features).toBeGreaterThan(0.9)
  })
})
