/** Accelerated backends, through the command line: WebGPU on the software Vulkan driver that ships with Chromium. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageRoot } from '../src/files/index.ts'
import { openBytes, parseSafetensors, toFloat32 } from '../src/formats/index.ts'
import { expectClose, openGolden } from './golden.ts'

/** Where Debian and others put it. */
const DRIVER = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
].find(existsSync)
/** The driver sums in another order. */
const TOLERANCE = 2e-5

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hooke-backend-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const fixture = (name: string): string => join(packageRoot(), 'test/fixtures', name)

/** A process of its own: the driver is looked for when a process starts. */
const hooke = (args: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  promisify(execFile)(
    process.execPath,
    ['--no-warnings', join(packageRoot(), 'src/cli/main.ts'), ...args],
    { env: { ...process.env, ...environment } },
  )

if (DRIVER === undefined)
  console.warn('backend: no software Vulkan driver (it ships with chromium), so WebGPU is not run')

describe.skipIf(DRIVER === undefined)('webgpu', () => {
  const environment = {
    VK_ICD_FILENAMES: DRIVER ?? '',
    LD_LIBRARY_PATH: dirname(DRIVER ?? ''),
  }

  // Softcap and windows, another norm and parallel blocks, learned positions.
  it.each(['gemma2-tiny', 'gpt-neox-tiny', 'gpt2-tiny'])(
    'computes %s as the reference does, at every site',
    async (name) => {
      const golden = await openGolden(fixture(name))
      const out = join(folder, `${name}.safetensors`)
      const ids = golden.sequences[0]!.join()
      const args = ['run', fixture(name), '--ids', ids, '--hooks', '**', '--out', out]
      await hooke([...args, '--backend', 'webgpu'], environment)
      const file = await parseSafetensors(openBytes(out, new Uint8Array(await readFile(out))))
      const compared: string[] = []
      for (const hook of [...file.tensors.keys()].filter((key) => golden.names.has(key))) {
        if (hook === 'input_ids' || hook === 'next_token_loss') continue
        const found = toFloat32(await file.read(hook))
        const expected = (await golden.values(hook)).subarray(0, found.length)
        expectClose(found, expected, TOLERANCE, hook)
        compared.push(hook)
      }
      expect(compared).toContain('logits')
      expect(compared.length).toBeGreaterThan(8)
    },
  )

  it('generates the same text as the CPU', async () => {
    const args = ['generate', 'thimble-5m', '--prompt', 'It was', '--max-tokens', '4']
    const greedy = [...args, '--temperature', '0', '--json']
    const [found, expected] = await Promise.all([
      hooke([...greedy, '--backend', 'webgpu'], environment),
      hooke(greedy),
    ])
    expect(JSON.parse(found.stdout).text).toBe(JSON.parse(expected.stdout).text)
  })
})

describe('a backend that does not work here', () => {
  const run = (backend: string, ...more: readonly string[]) =>
    hooke(['run', fixture('gemma2-tiny'), '--ids', '2,7,9', '--backend', backend, ...more], {
      VK_ICD_FILENAMES: '/nowhere.json',
      CUDA_VISIBLE_DEVICES: '',
    })

  it('is refused with what to do', async () => {
    await expect(run('webgpu')).rejects.toThrow(
      /backend: webgpu does not work here .* --backend cpu/,
    )
    await expect(run('cuda')).rejects.toThrow(/backend: cuda does not work here .* --backend cpu/)
    await expect(run('webgpu', '--weights', 'q8')).rejects.toThrow(
      /webgpu keeps weights in float32 itself, but they are to be in q8/,
    )
  })

  it('is passed over by auto', async () => {
    const { stdout } = await run('auto')
    expect(stdout).toContain('next-token loss')
  })
})
