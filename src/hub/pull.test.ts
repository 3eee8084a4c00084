import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HubServer, openHubServer } from '../../test/hubServer.ts'
import { HubError, type HubSettings, hubSettings, type PullProgress, pullFiles } from './index.ts'

let server: HubServer
let cache: string
let settings: HubSettings
beforeEach(async () => {
  server = await openHubServer()
  cache = mkdtempSync(join(tmpdir(), 'hooke-hub-'))
  settings = {
    ...hubSettings({ HF_ENDPOINT: `${server.endpoint}/`, HF_HOME: cache }),
    retry_ms: 1,
    silence_ms: 400,
  }
})
afterEach(async () => {
  await server.close()
  rmSync(cache, { recursive: true })
})

/** Bytes that no other place has: a wrong order shows. */
function noise(n: number, seed = 1): Uint8Array {
  let state = seed
  return Uint8Array.from({ length: n }, () => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state >> 16
  })
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const weights = noise(50_021)
const files = { 'config.json': '{"a":1}', 'model.safetensors': weights, 'sub/deep/notes.md': 'hi' }
const repoFolder = () => join(cache, 'hub', 'models--ada--engine')
const pull = (options: Partial<Parameters<typeof pullFiles>[0]> = {}) =>
  pullFiles({ id: 'ada/engine', settings, ...options })
const refusal = async (work: Promise<unknown>): Promise<HubError> => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(HubError)
  return error as HubError
}
/** What work resolves to, and the warnings it gave. */
async function withWarnings<T>(work: Promise<T>): Promise<[T, string[]]> {
  const warnings: string[] = []
  const hear = (warning: Error) => void warnings.push(warning.message)
  process.on('warning', hear)
  const value = await work
  await setTimeout(1) // warnings are told on the next tick
  process.off('warning', hear)
  return [value, warnings]
}

const ranges = () =>
  server.seen.filter(({ host }) => host === 'storage').map(({ headers }) => headers.range)

describe('the cache', () => {
  it('has the layout of huggingface_hub: blobs by checksum, relative links, refs', async () => {
    const { refs } = server.add('ada/engine', files)
    const commit = refs.get('main')!
    const folder = await pull()
    expect(folder).toBe(join(repoFolder(), 'snapshots', commit))
    const tree = readdirSync(cache, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(cache, join(entry.parentPath, entry.name)))
    const git = (text: string) =>
      createHash('sha1').update(`blob ${text.length}\0${text}`).digest('hex')
    const [small, note, large] = [git('{"a":1}'), git('hi'), sha256(weights)]
    const at = (path: string) => `hub/models--ada--engine/${path}`
    expect(tree.sort()).toEqual(
      [
        at(`blobs/${small}`),
        at(`blobs/${note}`),
        at(`blobs/${large}`),
        at('refs/main'),
        at(`snapshots/${commit}/config.json`),
        at(`snapshots/${commit}/model.safetensors`),
        at(`snapshots/${commit}/sub/deep/notes.md`),
      ].sort(),
    )
    expect(readlinkSync(join(folder, 'config.json'))).toBe(`../../blobs/${small}`)
    expect(readlinkSync(join(folder, 'sub/deep/notes.md'))).toBe(`../../../../blobs/${note}`)
    expect(lstatSync(join(repoFolder(), 'blobs', large)).isFile()).toBe(true)
    expect(readFileSync(join(repoFolder(), 'refs/main'), 'utf8')).toBe(commit)
    expect(sha256(readFileSync(join(folder, 'model.safetensors')))).toBe(large)
  })

  it('is read: what Python fetched is not fetched again, nor what another commit shares', async () => {
    const repository = server.add('ada/engine', files)
    mkdirSync(join(repoFolder(), 'blobs'), { recursive: true })
    writeFileSync(join(repoFolder(), 'blobs', sha256(weights)), weights)
    const first = await pull()
    expect(ranges()).toEqual([])
    server.commit(repository, { ...files, 'config.json': '{"a":2}' })
    const second = await pull()
    expect(second).not.toBe(first)
    expect(ranges()).toEqual([])
    expect(readFileSync(join(first, 'config.json'), 'utf8')).toBe('{"a":1}')
    expect(readFileSync(join(second, 'config.json'), 'utf8')).toBe('{"a":2}')
  })

  it('holds branches, tags and commits; a revision with slashes is a path of refs', async () => {
    const repository = server.add('ada/engine', files)
    const old = repository.refs.get('main')!
    repository.refs.set('refs/pr/1', old)
    server.commit(repository, { 'config.json': 'new' })
    expect(await pull({ id: 'ada/engine@refs/pr/1' })).toMatch(old)
    expect(readFileSync(join(repoFolder(), 'refs/refs/pr/1'), 'utf8')).toBe(old)
    expect(await pull({ revision: old })).toMatch(old)
    expect(existsSync(join(repoFolder(), 'refs', old))).toBe(false)
    expect(readFileSync(join(await pull(), 'config.json'), 'utf8')).toBe('new')
  })

  it('keeps data sets apart from models', async () => {
    server.add('ada/engine', { 'a.txt': 'data' }, { type: 'dataset' })
    const folder = await pull({ type: 'dataset' })
    expect(folder).toMatch(/datasets--ada--engine\/snapshots/)
    expect(readFileSync(join(folder, 'a.txt'), 'utf8')).toBe('data')
  })
})

describe('what is fetched', () => {
  it('is what the globs take, and only their folder is listed', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 21 }, (_, i) => [
        `layer_${i}/width_16k/l0_${i}/params.npz`,
        noise(9, i),
      ]),
    )
    server.add('ada/engine', many)
    const folder = await pull({ include: ['layer_20/width_16k/*/*.npz'] })
    const got = readdirSync(folder, { recursive: true }).filter((path) => /npz$/.test(String(path)))
    expect(got).toEqual(['layer_20/width_16k/l0_20/params.npz'])
    const trees = server.paths('hub', 'GET').filter((path) => path.includes('/tree/'))
    expect(trees).toHaveLength(1)
    expect(trees[0]).toMatch(/\/layer_20\/width_16k$/)
    expect(server.paths('storage', 'GET')).toHaveLength(1)
  })

  it('is listed page by page', async () => {
    const many = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`${i}.txt`, `${i}`]))
    server.add('ada/engine', many)
    expect(readdirSync(await pull())).toHaveLength(11)
  })

  it('is told in bytes, and ends at all of them', async () => {
    server.add('ada/engine', files)
    const seen: PullProgress[] = []
    await pull({ onProgress: (progress) => seen.push(progress) })
    const last = seen.at(-1)!
    expect(last).toMatchObject({ n_bytes: 50_021 + 7 + 2, of_bytes: 50_030, n_files: 3 })
    expect(last.remaining_ms).toBe(0)
    expect(seen[0]).toMatchObject({ n_bytes: 0, n_files: 0, of_files: 3 })
  })

  it('says what there is when nothing matches', async () => {
    server.add('ada/engine', files)
    const error = await refusal(pull({ include: ['*.bin'] }))
    expect(error.reason).toBe('no-file')
    expect(error.message).toContain('no file matches *.bin at main. There are config.json, ')
  })

  it('never leaves the folder, whatever the listing says', async () => {
    server.add('ada/engine', { '../../evil.txt': 'x' })
    expect((await refusal(pull())).message).toContain('"../../evil.txt", which would lie outside')
    expect(existsSync(repoFolder())).toBe(false)
  })
})

describe('a broken download', () => {
  const incomplete = () => join(repoFolder(), 'blobs', `${sha256(weights)}.incomplete`)

  it('goes on where the connection was cut, with If-Range, as often as it brings bytes', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, times: 4, cut_bytes: 10_000 })
    const folder = await pull()
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
    expect(ranges()).toHaveLength(5)
    const starts = ranges()
      .slice(1)
      .map((range) => Number(/^bytes=(\d+)-$/.exec(range!)![1]))
    expect(starts.every((start, i) => start > (starts[i - 1] ?? 0))).toBe(true)
  })

  it('is kept when the Hub stays away, and resumed by the next call', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, times: 1, cut_bytes: 20_001 })
    const down = { match: /storage GET/, times: 99, status: 503 }
    server.faults.push(down)
    const error = await refusal(pull())
    expect(error.reason).toBe('server')
    const kept = statSync(incomplete()).size
    expect(kept).toBeGreaterThan(0)
    down.times = 0
    server.seen.length = 0
    const seen: PullProgress[] = []
    const folder = await pull({ onProgress: (progress) => seen.push(progress) })
    expect(ranges()).toEqual([`bytes=${kept}-`])
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
    expect(existsSync(incomplete())).toBe(false)
    expect(seen.at(-1)).toMatchObject({ n_bytes: 50_030, of_bytes: 50_030 })
  })

  it('starts anew where ranges are not understood', async () => {
    server.add('ada/engine', files)
    mkdirSync(join(repoFolder(), 'blobs'), { recursive: true })
    writeFileSync(incomplete(), weights.subarray(0, 30_000))
    utimesSync(incomplete(), 0, 0)
    server.faults.push({ match: /storage GET/, ignoresRange: true })
    const folder = await pull()
    expect(ranges()).toEqual(['bytes=30000-'])
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
  })

  it('that a longer file was left behind for is begun anew', async () => {
    server.add('ada/engine', files)
    mkdirSync(join(repoFolder(), 'blobs'), { recursive: true })
    writeFileSync(incomplete(), noise(60_000, 5))
    utimesSync(incomplete(), 0, 0)
    await pull()
    expect(ranges()).toEqual([undefined])
  })

  it('ends when the storage falls silent in the middle, and goes on', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, slow_ms: 1500 })
    const folder = await pull()
    expect(ranges()).toHaveLength(2)
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
  }, 20_000)

  it('is finished by Ctrl-C and kept', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, slow_ms: 20, times: 9 })
    const stop = new AbortController()
    const work = pull({
      signal: stop.signal,
      onProgress: ({ n_bytes }) => n_bytes > 5_000 && stop.abort(),
    })
    await expect(work).rejects.toThrow(/abort/)
    const kept = statSync(incomplete()).size
    expect(kept).toBeGreaterThan(4_000)
    server.seen.length = 0
    server.faults.length = 0
    await pull()
    expect(ranges()).toEqual([`bytes=${kept}-`])
  })

  it('by SIGKILL, three times, is resumed, and the bytes are right', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, slow_ms: 20, times: 9 })
    const script = `
      import { pullFiles } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
      await pullFiles({ id: 'ada/engine' })`
    const env = { ...process.env, HF_ENDPOINT: server.endpoint, HF_HOME: cache }
    const kept: number[] = []
    for (const n_bytes of [4_000, 15_000, 31_000]) {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
        env,
        stdio: 'ignore',
      })
      const ended = new Promise((done) => child.once('exit', (_, signal) => done(signal)))
      while (!(existsSync(incomplete()) && statSync(incomplete()).size > n_bytes))
        await setTimeout(10)
      child.kill('SIGKILL')
      expect(await ended).toBe('SIGKILL')
      kept.push(statSync(incomplete()).size)
    }
    expect(kept[2]).toBeLessThan(weights.length)
    server.faults.length = 0
    const folder = await pull()
    expect(ranges()).toEqual([undefined, ...kept.map((n) => `bytes=${n}-`)])
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
    expect(readdirSync(join(cache, 'hub/.locks/models--ada--engine'))).toEqual([])
  }, 30_000)

  it('is fetched by one of two processes that ask at once', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, slow_ms: 5 })
    const script = `
      import { pullFiles } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))}
      console.log(await pullFiles({ id: 'ada/engine' }))`
    const answers = await Promise.all(
      [1, 2].map(
        () =>
          new Promise<string>((done) => {
            const env = { ...process.env, HF_ENDPOINT: server.endpoint, HF_HOME: cache }
            const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
              env,
            })
            let text = ''
            child.stdout.on('data', (bytes) => {
              text += bytes
            })
            child.on('close', () => done(text.trim()))
          }),
      ),
    )
    expect(answers[0]).toBe(answers[1])
    expect(ranges()).toEqual([undefined])
    expect(readFileSync(join(answers[0]!, 'model.safetensors')).equals(weights)).toBe(true)
  }, 20_000)

  it('is fetched by one of two that ask at once', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, slow_ms: 2 })
    const [one, two] = await Promise.all([pull(), pull()])
    expect(one).toBe(two)
    expect(ranges()).toEqual([undefined])
  })

  it('that another program is writing is waited for', async () => {
    server.add('ada/engine', files)
    mkdirSync(join(repoFolder(), 'blobs'), { recursive: true })
    writeFileSync(incomplete(), weights.subarray(0, 100))
    utimesSync(incomplete(), Date.now() / 1000 - 4, Date.now() / 1000 - 4)
    const started = performance.now()
    await pull()
    expect(performance.now() - started).toBeGreaterThan(700)
    expect(ranges()).toEqual(['bytes=100-'])
  })
})

describe('a full disk', () => {
  it('is noticed before anything is fetched', async () => {
    server.add('ada/engine', { 'notes.txt': 'hi' })
    server.faults.push({ match: /tree/, claimed_bytes: 1e15 })
    await expect(pull()).rejects.toThrow(
      /disk full: ada\/engine needs 1000000000000000 bytes more, the disk has \d+ free.*HF_HUB_CACHE/,
    )
    expect(server.paths('hub', 'GET').some((path) => path.includes('/resolve/'))).toBe(false)
  })
})

describe('a wrong byte', () => {
  it('in the download is found, and the file fetched anew', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, wrong_byte: 40_000 })
    const [folder, warnings] = await withWarnings(pull())
    expect(ranges()).toEqual([undefined, undefined])
    expect(warnings.join()).toMatch(/model\.safetensors had other bytes than its checksum says/)
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
  })

  it('in what a killed process left is found, and the file fetched anew', async () => {
    server.add('ada/engine', files)
    const blobs = join(repoFolder(), 'blobs')
    mkdirSync(blobs, { recursive: true })
    const wrong = weights.slice(0, 30_000)
    wrong[77]! ^= 1
    const path = join(blobs, `${sha256(weights)}.incomplete`)
    writeFileSync(path, wrong)
    utimesSync(path, 0, 0)
    const folder = await pull()
    expect(ranges()).toEqual(['bytes=30000-', undefined])
    expect(readFileSync(join(folder, 'model.safetensors')).equals(weights)).toBe(true)
  })

  it('in a small file is found by git’s checksum', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /hub GET .*resolve-cache.*config/, wrong_byte: 3 })
    expect(readFileSync(join(await pull(), 'config.json'), 'utf8')).toBe('{"a":1}')
  })

  it('twice is an error that names the file, and nothing is kept', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /storage GET/, times: 2, wrong_byte: 1 })
    const error = await refusal(pull())
    expect(error.reason).toBe('damaged')
    expect(error.message).toContain('model.safetensors arrived with other bytes than its checksum')
    expect(readdirSync(join(repoFolder(), 'blobs')).filter((name) => name.includes('.'))).toEqual(
      [],
    )
    expect(existsSync(join(repoFolder(), 'refs/main'))).toBe(false)
  })

  it('in length on disk is found when the file is asked for again', async () => {
    server.add('ada/engine', files)
    const folder = await pull()
    writeFileSync(join(folder, 'model.safetensors'), weights.subarray(0, 9))
    expect(readFileSync(join(await pull(), 'model.safetensors')).equals(weights)).toBe(true)
  })
})

describe('the token', () => {
  const token = `hf_${randomUUID().replaceAll('-', '')}`

  it('goes to the Hub and never to the storage it redirects to', async () => {
    server.add('ada/engine', files, { token })
    await pull({ settings: { ...settings, token } })
    const { hub, storage } = Object.groupBy(server.seen, ({ host }) => host)
    expect(hub!.every(({ headers }) => headers.authorization === `Bearer ${token}`)).toBe(true)
    expect(storage!.map(({ headers }) => headers.authorization)).toEqual([undefined])
  })

  it('is HF_TOKEN, or the file HF_HOME/token, without its line feed', () => {
    writeFileSync(join(cache, 'token'), `${token}\n`)
    expect(hubSettings({ HF_HOME: cache }).token).toBe(token)
    expect(hubSettings({ HF_HOME: cache, HF_TOKEN: ' hf_b ' }).token).toBe('hf_b')
    expect(hubSettings({ HF_HOME: join(cache, 'none') })).not.toHaveProperty('token')
    expect(hubSettings({ HF_HOME: cache, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).not.toHaveProperty(
      'token',
    )
  })

  it('is never part of a message', async () => {
    server.add('ada/engine', files, { token: 'another', gated: true })
    const error = await refusal(pull({ settings: { ...settings, token } }))
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(token)
  })
})

describe('settings', () => {
  it('are Python’s variables', () => {
    expect(hubSettings({ HF_HOME: '/h' })).toMatchObject({
      endpoint: 'https://huggingface.co',
      cache: '/h/hub',
      offline: false,
    })
    expect(hubSettings({ XDG_CACHE_HOME: '/x' }).cache).toBe('/x/huggingface/hub')
    expect(hubSettings({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }).cache).toBe('/c')
    expect(hubSettings({ HF_HUB_OFFLINE: 'True' }).offline).toBe(true)
    expect(() => hubSettings({ HF_ENDPOINT: 'mirror' })).toThrow(/HF_ENDPOINT is "mirror"/)
  })
})

describe('what the Hub refuses', () => {
  it.each([
    ['gated', undefined, /gated\. Visit .*\/ada\/engine, accept its conditions, make a token/],
    ['gated', 'hf_x', /gated, and your account has no access to it/],
  ] as const)('%s, with token %s', async (reason, token, message) => {
    server.add('ada/engine', files, { token: 'hf_other', gated: true })
    const asked = token === undefined ? settings : { ...settings, token }
    const error = await refusal(pull({ settings: asked }))
    expect(error.reason).toBe(reason)
    expect(error.message).toMatch(message)
  })

  it('tells a missing repository, revision and folder apart', async () => {
    server.add('ada/engine', files)
    const missing = await refusal(pull({ id: 'ada/loom' }))
    expect(missing).toMatchObject({ reason: 'no-repository' })
    expect(missing.message).toMatch(/no such repository, or it is private and needs HF_TOKEN/)
    expect(await refusal(pull({ id: 'ada/engine@v9' }))).toMatchObject({ reason: 'no-revision' })
    expect(await refusal(pull({ include: ['nowhere/*'] }))).toMatchObject({ reason: 'no-file' })
  })

  it('says that a token is not accepted', async () => {
    server.add('ada/engine', files)
    server.faults.push({
      match: /revision/,
      status: 401,
      headers: { 'x-error-message': 'Invalid credentials in Authorization header' },
    })
    const error = await refusal(pull({ settings: { ...settings, token: 'hf_old' } }))
    expect(error).toMatchObject({ reason: 'unauthorized' })
    expect(error.message).toContain('does not accept the token')
  })

  it('waits as long as 429 asks', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /revision/, status: 429, headers: { 'retry-after': '0.3' } })
    const started = performance.now()
    await pull()
    expect(performance.now() - started).toBeGreaterThan(290)
  })

  it('does not wait for hours', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /revision/, status: 429, headers: { 'retry-after': '7200' } })
    const error = await refusal(pull())
    expect(error).toMatchObject({ reason: 'busy' })
    expect(error.message).toContain('(7200 s)')
  })

  it('tries 5xx again, a bounded number of times', async () => {
    server.add('ada/engine', files)
    server.faults.push({ match: /revision/, status: 502, times: 2 })
    await pull()
    server.seen.length = 0
    server.faults.push({ match: /revision/, status: 500, times: 99 })
    expect(await refusal(pull({ id: 'ada/engine', revision: 'other' }))).toMatchObject({
      reason: 'server',
    })
    expect(server.seen).toHaveLength(1 + settings.n_retries)
  })
})

describe('offline', () => {
  it('takes what is in the cache and asks nothing', async () => {
    server.add('ada/engine', files)
    const folder = await pull()
    server.seen.length = 0
    const offline = { ...settings, offline: true }
    expect(await pull({ settings: offline })).toBe(folder)
    expect(await pull({ settings: offline, include: ['*.json'] })).toBe(folder)
    expect(server.seen).toEqual([])
    const error = await refusal(pull({ settings: offline, include: ['*.bin'] }))
    expect(error).toMatchObject({ reason: 'offline' })
    expect(error.message).toMatch(/no file of main that matches \*\.bin lies in .*hooke pull ada/)
  })

  it('is what a lost connection falls back to', async () => {
    server.add('ada/engine', files)
    const folder = await pull()
    const lost = { ...settings, endpoint: 'http://127.0.0.1:9', n_retries: 1 }
    const [found, warnings] = await withWarnings(pull({ settings: lost }))
    expect(found).toBe(folder)
    expect(warnings.join()).toMatch(
      /no connection to .*Taken from the cache, as ada\/engine was at/,
    )
    const error = await refusal(pull({ id: 'ada/loom', settings: lost }))
    expect(error).toMatchObject({ reason: 'network' })
    expect((error.cause as Error).message).toMatch(/no connection to http:\/\/127\.0\.0\.1:9/)
  })
})
