import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type HubServer, openHubServer } from '../../test/hubServer.ts'
import {
  type HubSettings,
  hubSettings,
  lastingModelName,
  openModelFolder,
  parseHubAddress,
  renderHubAddress,
  resolveModel,
  resolvePath,
} from './index.ts'

let server: HubServer
let home: string
let settings: HubSettings
beforeEach(async () => {
  server = await openHubServer()
  home = mkdtempSync(join(tmpdir(), 'hooke-hub-'))
  settings = { ...hubSettings({ HF_ENDPOINT: server.endpoint, HF_HOME: home }), retry_ms: 1 }
})
afterEach(async () => {
  await server.close()
  rmSync(home, { recursive: true })
})

const index = (...shards: string[]) =>
  JSON.stringify({ weight_map: Object.fromEntries(shards.map((shard, i) => [`w.${i}`, shard])) })

describe('an address', () => {
  it.each([
    ['google/gemma-2-2b', { name: 'google/gemma-2-2b' }],
    ['a/b@v1.0', { name: 'a/b', revision: 'v1.0' }],
    ['a/b@refs/pr/3', { name: 'a/b', revision: 'refs/pr/3' }],
    ['a/b@refs/pr/3/x/y.npz', { name: 'a/b', revision: 'refs/pr/3', path: 'x/y.npz' }],
    ['a/b/layer_20/width_16k', { name: 'a/b', path: 'layer_20/width_16k' }],
    ['a/b@main/x', { name: 'a/b', revision: 'main', path: 'x' }],
  ])('%s', (text, parts) => {
    expect(parseHubAddress(text)).toEqual(parts)
    expect(renderHubAddress(parts)).toBe(text)
  })

  it.each([
    'gpt2',
    './a/b',
    '../a/b',
    '/a/b',
    'a/..',
    'a/b/../c',
    'a//b',
    'a b/c',
    '~/x',
    'a/b@',
    '',
  ])('is not "%s"', (text) => expect(parseHubAddress(text)).toBeUndefined())
})

describe('a model by name', () => {
  it('is a bundled one first, then a folder, then the Hub', async () => {
    expect(await resolveModel('thimble-5m', { settings })).toBe(
      resolve(import.meta.dirname, '../../models/thimble-5m'),
    )
    const local = join(home, 'ada', 'engine')
    mkdirSync(local, { recursive: true })
    const before = process.cwd()
    try {
      process.chdir(home)
      expect(await resolveModel('ada/engine', { settings })).toBe(resolve('ada/engine'))
      expect(lastingModelName('ada/engine')).toBe(resolve('ada/engine'))
    } finally {
      process.chdir(before)
    }
    expect(server.seen).toEqual([])
  })

  it('fetches its settings, its tokenizer and one set of weights', async () => {
    server.add('ada/engine', {
      'README.md': '#',
      'config.json': '{}',
      'tokenizer.json': '{}',
      'tokenizer_config.json': '{}',
      'chat_template.jinja': '{{ x }}',
      'model.safetensors.index.json': index('model-1.safetensors', 'model-2.safetensors'),
      'model-1.safetensors': 'one',
      'model-2.safetensors': 'two',
      'consolidated.safetensors': 'the same again',
      'pytorch_model.bin': 'and again',
      'onnx/model.onnx': 'and again',
    })
    const folder = await openModelFolder('ada/engine', { settings })
    expect(folder.name).toBe('ada/engine')
    expect(readdirSync(await resolveModel('ada/engine', { settings })).sort()).toEqual([
      'chat_template.jinja',
      'config.json',
      'model-1.safetensors',
      'model-2.safetensors',
      'model.safetensors.index.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    const source = await folder.open('model-2.safetensors')
    expect(await source!.read(0, 3)).toEqual(new TextEncoder().encode('two'))
  })

  it('says what a repository without a model holds', async () => {
    server.add('ada/saes', { 'layer_0/params.npz': 'x' })
    await expect(resolveModel('ada/saes', { settings })).rejects.toThrow(
      /ada\/saes: has no config\.json at main, so it is no model.*It holds layer_0\/params\.npz/,
    )
    server.add('ada/old', { 'config.json': '{}', 'pytorch_model.bin': 'x' })
    await expect(resolveModel('ada/old', { settings })).rejects.toThrow(/has no \*\.safetensors/)
    server.add('ada/torn', {
      'config.json': '{}',
      'model.safetensors.index.json': index('a.safetensors'),
    })
    await expect(resolveModel('ada/torn', { settings })).rejects.toThrow(
      /has no a\.safetensors, which/,
    )
  })

  it('says all that was looked for', async () => {
    await expect(resolveModel('gemma-9', { settings })).rejects.toThrow(
      /"gemma-9" is not a bundled model \(thimble-5m\), and there is no folder .*or a Hub id like/,
    )
    await expect(resolveModel('ada/none', { settings })).rejects.toThrow(
      /"ada\/none" is not a bundled model \(thimble-5m\), there is no folder .*and the Hub has no such/,
    )
  })

  it('opens offline once it is whole, and not before', async () => {
    server.add('ada/engine', {
      'config.json': '{}',
      'model.safetensors.index.json': index('model-1.safetensors', 'model-2.safetensors'),
      'model-1.safetensors': 'one',
      'model-2.safetensors': 'two',
    })
    const offline = { settings: { ...settings, offline: true } }
    server.faults.push({ match: /storage GET/, times: 99, status: 403 })
    await expect(resolveModel('ada/engine', { settings })).rejects.toThrow(/forbids it/)
    server.faults.length = 0
    await expect(resolveModel('ada/engine', offline)).rejects.toThrow(/hooke pull ada\/engine/)
    const folder = await resolveModel('ada/engine', { settings })
    server.seen.length = 0
    expect(await resolveModel('ada/engine', offline)).toBe(folder)
    rmSync(join(folder, 'model-2.safetensors'))
    await expect(resolveModel('ada/engine', offline)).rejects.toThrow(/model-2\.safetensors/)
    expect(server.seen).toEqual([])
  })

  it('is remembered by its Hub id or its absolute path', () => {
    expect(lastingModelName('thimble-5m')).toBe('thimble-5m')
    expect(lastingModelName('ada/engine@v2')).toBe('ada/engine@v2')
    expect(lastingModelName('./ada')).toBe(resolve('ada'))
  })
})

describe('a place in a repository', () => {
  it('is a folder or a file, of which nothing beside it is fetched', async () => {
    server.add('ada/saes', {
      'layer_0/l0_9/params.npz': 'nine',
      'layer_0/l0_99/params.npz': 'more',
      'layer_1/l0_9/params.npz': 'other',
    })
    const folder = await resolvePath('ada/saes/layer_0/l0_9', { settings })
    expect(readdirSync(folder)).toEqual(['params.npz'])
    expect(readdirSync(join(folder, '..'))).toEqual(['l0_9'])
    const file = await resolvePath('ada/saes/layer_1/l0_9/params.npz', { settings })
    expect(file).toMatch(/snapshots\/[0-9a-f]{40}\/layer_1\/l0_9\/params\.npz$/)
    expect(server.paths('storage', 'GET')).toHaveLength(2)
  })

  it('is on disk where it is there', async () => {
    writeFileSync(join(home, 'x.npz'), '')
    expect(await resolvePath(join(home, 'x.npz'), { settings })).toBe(join(home, 'x.npz'))
    await expect(resolvePath('./none', { settings })).rejects.toThrow(
      /no such file or folder.*owner\/name/,
    )
    expect(server.seen).toEqual([])
  })
})
