import { mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { characters, fakeModel } from '../../test/fakeModel.ts'
import { corpusOfTexts } from './corpus.ts'
import type { Manifest } from './manifest.ts'
import { openActivations, verifyStore } from './openActivations.ts'
import { shuffledBatches } from './shuffle.ts'
import type { BatchSource } from './types.ts'
import { writeStore } from './writeStore.ts'

const HOOKS = ['hook_embed', 'blocks.0.attn.hook_z'] as const
/** The first component names the token: its place in the corpus, as texts below repeat no character. */
const model = (scale = 1) =>
  fakeModel((hook, id, _, k) => (hook === HOOKS[0] ? id : -id) * 2 ** k * scale, {
    [HOOKS[0]]: 3,
    [HOOKS[1]]: 5,
  })
const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'
const texts = [
  alphabet.slice(0, 9),
  alphabet.slice(9, 24),
  alphabet.slice(24, 37),
  alphabet.slice(37),
]
const corpus = corpusOfTexts(texts, characters, { n_ctx: 8 })
const config = { hooks: HOOKS, shard_tokens: 11, batch_tokens: 16 }

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hooke-store-'))
})
afterEach(() => rm(dir, { recursive: true }))

/** Ids of the first `n` batches, by the first component of the first site. */
async function takeIds(
  source: BatchSource,
  n: number,
  options: { batch_size: number; seed: number; first_batch?: number },
) {
  const ids: number[][] = []
  for await (const { acts, n_tokens } of source.batches(options)) {
    const [embed, z] = HOOKS.map((hook) => acts.get(hook)!)
    expect(embed!.length).toBe(n_tokens * 3)
    for (let i = 0; i < n_tokens; i++) {
      const id = embed![i * 3]!
      expect([...embed!.subarray(i * 3, i * 3 + 3)]).toEqual([id, 2 * id, 4 * id])
      expect([...z!.subarray(i * 5, i * 5 + 5)]).toEqual([-1, -2, -4, -8, -16].map((k) => k * id))
    }
    ids.push(Array.from({ length: n_tokens }, (_, i) => embed![i * 3]!))
    if (ids.length === n) break
  }
  return ids
}

const allIds = Array.from(alphabet, (char) => char.charCodeAt(0)).sort((a, b) => a - b)
const sorted = (ids: number[]) => ids.toSorted((a, b) => a - b)

describe('writeStore', () => {
  it('writes shards, and a manifest that says what is in them', async () => {
    const progress: number[] = []
    const manifest = await writeStore(dir, model(), corpus, {
      ...config,
      onProgress: ({ n_tokens }) => progress.push(n_tokens),
    })
    expect(manifest.n_tokens).toBe(alphabet.length)
    expect(manifest.n_excluded).toBe(corpus.doc_start.length - 1)
    expect(manifest.shards.length).toBeGreaterThan(3)
    expect(manifest.shards.reduce((n, shard) => n + shard.n_tokens, 0)).toBe(alphabet.length)
    expect(progress.at(-1)).toBe(alphabet.length)
    expect(await verifyStore(dir)).toEqual(manifest)
    const source = await openActivations(dir)
    const squares = allIds.reduce((sum, id) => sum + id * id, 0) / alphabet.length
    expect(source.norm('hook_embed')).toBeCloseTo(Math.sqrt(squares * 21), 3)
    expect(source.norm('blocks.0.attn.hook_z')).toBeCloseTo(Math.sqrt(squares * 341), 3)
    expect([source.width('hook_embed'), source.width('blocks.0.attn.hook_z')]).toEqual([3, 5])
    await source.close()
  })

  it('goes on after a kill and ends with the same bytes', async () => {
    const whole = await writeStore(join(dir, 'whole'), model(), corpus, config)
    const stop = new AbortController()
    const killed = writeStore(join(dir, 'killed'), model(), corpus, {
      ...config,
      signal: stop.signal,
      onProgress({ n_tokens }) {
        if (n_tokens > 30) stop.abort(new Error('killed'))
      },
    })
    await expect(killed).rejects.toThrow('killed')
    await expect(openActivations(join(dir, 'killed'))).rejects.toThrow(/did not finish/)
    const fake = model()
    const resumed = await writeStore(join(dir, 'killed'), fake, corpus, config)
    const all = whole.shards.reduce((n, shard) => n + shard.n_batches, 0)
    expect(fake.passes.n).toBeLessThan(all)
    expect(resumed).toEqual(whole)
    for (const file of await readdir(join(dir, 'whole'))) {
      const [a, b] = await Promise.all(
        ['whole', 'killed'].map((name) => readFile(join(dir, name, file))),
      )
      expect(b!.equals(a!), file).toBe(true)
    }
    const again = model()
    await writeStore(join(dir, 'killed'), again, corpus, config)
    expect(again.passes.n).toBe(0)
  })

  it('refuses to go on with other settings and names them', async () => {
    await writeStore(dir, model(), corpus, config)
    const other = corpusOfTexts(['other'], characters, { n_ctx: 8 })
    await expect(writeStore(dir, model(), other, { ...config, dtype: 'BF16' })).rejects.toThrow(
      /another capture: text is [0-9a-f]{12} there, [0-9a-f]{12} asked; dtype is F32 there, BF16 asked; n_tokens is 62 there, 5 asked/,
    )
  })

  it('makes a missing shard again', async () => {
    const manifest = await writeStore(dir, model(), corpus, config)
    await unlink(join(dir, manifest.shards[2]!.file))
    await expect(openActivations(dir)).rejects.toThrow(/shard_00002.safetensors: is missing/)
    expect(await writeStore(dir, model(), corpus, config)).toEqual(manifest)
    expect(await verifyStore(dir)).toEqual(manifest)
  })

  it('keeps finished shards when the disk refuses one, and goes on', async () => {
    const whole = await writeStore(join(dir, 'whole'), model(), corpus, config)
    const blocked = join(dir, 'refused', whole.shards[2]!.file)
    await mkdir(join(blocked, 'in the way'), { recursive: true })
    const refused = writeStore(join(dir, 'refused'), model(), corpus, config)
    await expect(refused).rejects.toThrow(/shard_00002.safetensors/)
    await rm(blocked, { recursive: true })
    const fake = model()
    expect(await writeStore(join(dir, 'refused'), fake, corpus, config)).toEqual(whole)
    const kept = whole.shards[0]!.n_batches + whole.shards[1]!.n_batches
    const all = whole.shards.reduce((n, shard) => n + shard.n_batches, 0)
    expect(fake.passes.n).toBe(all - kept)
  })

  it('stores F16 and BF16 rounded, and refuses what F16 cannot hold', async () => {
    for (const dtype of ['F16', 'BF16'] as const) {
      await writeStore(join(dir, dtype), model(), corpus, { ...config, dtype })
      const source = await openActivations(join(dir, dtype))
      const [ids] = await takeIds(source, 1, { batch_size: 62, seed: 1 })
      expect(sorted(ids!)).toEqual(allIds) // small integers are exact in both
      await source.close()
    }
    const large = writeStore(join(dir, 'large'), model(1000), corpus, { ...config, dtype: 'F16' })
    await expect(large).rejects.toThrow(/larger than F16 can hold/)
  })

  it('refuses activations that are not finite', async () => {
    const broken = model(Number.POSITIVE_INFINITY)
    await expect(writeStore(dir, broken, corpus, config)).rejects.toThrow(/not finite/)
  })
})

describe('a damaged store', () => {
  it('is recognized: changed bytes, another size, no manifest, a manifest of something else', async () => {
    const manifest = await writeStore(dir, model(), corpus, config)
    const path = join(dir, manifest.shards[1]!.file)
    const bytes = await readFile(path)
    bytes[bytes.length - 3]! ^= 1
    await writeFile(path, bytes)
    await expect(verifyStore(dir)).rejects.toThrow(/shard_00001.safetensors: has changed/)
    await writeFile(path, bytes.subarray(1))
    await expect(openActivations(dir)).rejects.toThrow(/has \d+ bytes, the manifest says \d+/)
    await writeFile(join(dir, 'manifest.json'), '{"format": "hooke activations"}')
    await expect(openActivations(dir)).rejects.toThrow(/not the manifest of an activation store/)
    await unlink(join(dir, 'manifest.json'))
    await expect(openActivations(dir)).rejects.toThrow(/has no manifest.json/)
  })
})

describe('batches', () => {
  /** Both ways to hold a store: whole, and in buckets of about two shards. */
  const budgets = [
    ['in memory', undefined],
    ['in buckets', 2 * 2 * 13 * 32],
  ] as const

  let manifest: Manifest
  beforeEach(async () => {
    manifest = await writeStore(dir, model(), corpus, config)
  })
  const open = (memory_bytes: number | undefined) =>
    openActivations(dir, memory_bytes === undefined ? {} : { memory_bytes })

  it.each(budgets)(
    'give every token once an epoch, in another order each (%s)',
    async (_, memory) => {
      const source = await open(memory)
      const [first, second] = await takeIds(source, 2, { batch_size: 62, seed: 7 })
      expect(sorted(first!)).toEqual(allIds)
      expect(sorted(second!)).toEqual(allIds)
      expect(second).not.toEqual(first)
      await source.close()
    },
  )

  it.each(budgets)('depend on seed and position only (%s)', async (_, memory) => {
    const source = await open(memory)
    const seven = await takeIds(source, 12, { batch_size: 7, seed: 7 })
    expect(await takeIds(source, 12, { batch_size: 7, seed: 7 })).toEqual(seven)
    expect(await takeIds(source, 3, { batch_size: 7, seed: 7, first_batch: 9 })).toEqual(
      seven.slice(9),
    )
    const twentyOne = await takeIds(source, 4, { batch_size: 21, seed: 7 })
    expect(twentyOne.flat()).toEqual(seven.flat())
    expect(await takeIds(source, 12, { batch_size: 7, seed: 8 })).not.toEqual(seven)
    await source.close()
  })

  it('mix all shards in every batch where the store is in memory', async () => {
    const source = await open(undefined)
    const [batch] = await takeIds(source, 1, { batch_size: 31, seed: 2 })
    const halves = batch!.filter((id) => allIds.indexOf(id) < 31).length
    expect(halves).toBeGreaterThan(6)
    expect(halves).toBeLessThan(25)
    await source.close()
  })

  it('hold no more than the budget of shards where it is not', async () => {
    const row_bytes = (3 + 5) * 4
    expect(manifest.n_tokens * row_bytes).toBeGreaterThan(budgets[1][1])
    const source = await open(budgets[1][1])
    const ids = (await takeIds(source, 1, { batch_size: 62, seed: 7 }))[0]!
    const other = (await takeIds(source, 1, { batch_size: 62, seed: 8 }))[0]!
    expect(ids).not.toEqual(other)
    await source.close()
  })

  it('hold good until the next one is asked for, in two sets of arrays that take turns', async () => {
    const source = await open(undefined)
    const batches = source.batches({ batch_size: 7, seed: 1 })[Symbol.asyncIterator]()
    const take = async () => (await batches.next()).value.acts.get(HOOKS[0])! as Float32Array
    const first = await take()
    const before = first.slice()
    await new Promise((done) => setTimeout(done, 5)) // the next one is made meanwhile
    expect(first).toEqual(before)
    expect(await take()).not.toBe(first)
    expect(await take()).toBe(first)
    await batches.return?.()
    await source.close()
  })

  it('give the memory of the store back when they end', async () => {
    const data = Float32Array.from({ length: 12 }, (_, i) => i)
    const shard = { n_tokens: 4, size_bytes: 48, read: async () => [{ width: 3, data }] }
    const options = { batch_size: 5, seed: 1, memory_bytes: 48 }
    for await (const { acts } of shuffledBatches([shard], [HOOKS[0]], options)) {
      expect(acts.get(HOOKS[0])!.length).toBe(15)
      expect(data.length).toBe(12)
      break
    }
    expect(data.length).toBe(0)
  })

  it('stop at the signal, and refuse sizes that are none', async () => {
    const source = await open(undefined)
    const stop = new AbortController()
    const batches = source
      .batches({ batch_size: 7, seed: 1, signal: stop.signal })
      [Symbol.asyncIterator]()
    await batches.next()
    stop.abort(new Error('enough'))
    await expect(batches.next()).rejects.toThrow('enough')
    await expect(takeIds(source, 1, { batch_size: 0, seed: 1 })).rejects.toThrow(/batch_size is 0/)
    await source.close()
  })
})
