/** What `hooke train` and `hooke capture` say beforehand, and the budget they keep. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CapturePlan, RunPlan } from '../src/jobs/index.ts'
import { readSuiteFile } from '../src/jobs/index.ts'
import { loadSae } from '../src/sae/disk.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let text: string
beforeAll(async () => {
  folder = await temporaryFolder()
  text = (await tinyConfig(folder.path)).data[0]!
})
afterAll(() => folder.remove())

const SIZES = '--width 64,96 --l0 5,9 --tokens 3000 --batch 250 --held-out 0.2 --threads 1'.split(
  ' ',
)
const train = (out: string, ...more: string[]) =>
  hooke('train', 'thimble-5m', '--data', text, ...SIZES, ...more, '--out', join(folder.path, out))
const planned = async (...more: string[]): Promise<RunPlan> => {
  const { code, message, printed } = await train('none', '--dry-run', '--json', ...more)
  expect(message).toBe('')
  expect(code).toBe(0)
  return JSON.parse(printed) as RunPlan
}

describe('hooke train --dry-run', () => {
  it('counts SAEs, tokens, steps, and the bytes on disk, and writes nothing', async () => {
    const plan = await planned('--hooks', 'blocks.{1,4}.hook_resid_post')
    const { n_saes, sites, n_tokens, text_tokens, n_steps, epochs, disk, mode } = plan
    expect({ mode, n_saes, n_tokens, n_steps }).toEqual({
      mode: 'capture',
      n_saes: 2 * 2 * 2,
      n_tokens: 3000,
      n_steps: 12,
    })
    expect(sites).toEqual(['blocks.1.hook_resid_post', 'blocks.4.hook_resid_post'])
    expect(text_tokens).toBeGreaterThan(300)
    expect(epochs).toBeCloseTo(3000 / text_tokens, 9)
    expect(disk.activation_bytes).toBe(text_tokens * (2 * 256 * 2 + 4))
    expect(disk.sae_bytes).toBe(4 * 2 * 2 * (64 * 514 + 256 + 96 * 514 + 256))
    expect(plan.time.total_ms).toBeGreaterThan(0)
    expect(await readdir(folder.path)).toEqual(['tiny.txt'])
  })

  it('of a stream counts buckets instead, and of transcoders the sites they write', async () => {
    const hooks = ['--hooks', 'blocks.2.ln2.hook_normalized', '--to', 'hook_mlp_out', '--skip']
    const { disk, buckets, sites, text_tokens, mode } = await planned('--stream', ...hooks)
    expect(mode).toBe('stream')
    expect(disk.activation_bytes).toBe(0)
    expect(sites).toEqual(['blocks.2.ln2.hook_normalized', 'blocks.2.hook_mlp_out'])
    expect(buckets).toEqual({
      n_tokens: text_tokens,
      size_bytes: text_tokens * 2 * 256 * 2,
      n_per_epoch: 1,
    })
  })

  it('prints it for people', async () => {
    const { printed } = await train('none', '--dry-run', '--stream')
    for (const line of [/^SAEs +24, from 6 sites$/m, /^tokens +3,000 /m, /^buckets +1 an epoch/m])
      expect(printed).toMatch(line)
    expect(printed).toMatch(/^memory .* at most \(model .*training/m)
    expect(printed).toMatch(/^time +about .*an estimate$/m)
  })

  it('refuses wrong sizes and sites as the run would', async () => {
    expect(await train('none', '--dry-run', '--l0', '70')).toMatchObject({ code: 1 })
    const elsewhere = await train('none', '--dry-run', '--to', 'hook_nowhere')
    expect(elsewhere.message).toMatch(/hook_nowhere is no site of a block/)
    const read_only = await train('none', '--dry-run', '--to', 'ln2.hook_normalized')
    expect(read_only.message).toMatch(/no site of a block that can be written/)
    expect(
      (await train('none', '--dry-run', '--hooks', 'hook_embed', '--to', 'hook_mlp_out')).message,
    ).toMatch(/hook_embed lies in no block/)
  })
})

describe('--memory', () => {
  it('is refused beforehand where it cannot be kept, with what is needed and what to lower', async () => {
    const refused = await train('refused', '--memory', '100MiB')
    expect(refused.code).toBe(1)
    expect(refused.message).toMatch(/needs \d\.\d\d GiB at least \(training .* allows 0\.10 GiB/)
    expect(refused.message).toMatch(/Ask for /)
    expect(await readdir(folder.path)).toEqual(['tiny.txt'])
    expect((await train('refused', '--memory', '4 lots')).code).toBe(2)
  })

  it('holds for the whole run: what was settled at the beginning is kept when it goes on', async () => {
    const hooks = ['--hooks', 'blocks.1.hook_resid_post']
    const begun = await train('begun', '--memory', '1GiB', ...hooks)
    expect(begun).toMatchObject({ code: 0, message: '' })
    expect(begun.printed).toMatch(/at most of 1.0 GiB allowed/)
    const { config } = (await readSuiteFile(join(folder.path, 'begun')))!
    expect(config.activation_bytes).toBeGreaterThan(0)
    for (const other of [['--memory', '2GiB'], []])
      expect(await train('begun', ...other, ...hooks)).toMatchObject({ code: 0, message: '' })
  })
})

describe('what is trained', () => {
  it('follows the architecture, the sparsity and the transcoder that are asked for', async () => {
    const hooks = ['--hooks', 'blocks.2.ln2.hook_normalized']
    const kind = ['--to', 'hook_mlp_out', '--skip', '--architecture', 'topk']
    const sizes = ['--width', '64', '--l0', '5']
    expect(await train('transcoder', ...hooks, ...kind, ...sizes, '--stream')).toMatchObject({
      code: 0,
      message: '',
    })
    const at = join(folder.path, 'transcoder', 'blocks.2.ln2.hook_normalized', 'width_64', 'l0_5')
    const sae = await loadSae(at)
    expect(sae).toMatchObject({ architecture: 'topk', k: 5 })
    expect(sae.transcoder).toMatchObject({ hook_name_out: 'blocks.2.hook_mlp_out', d_out: 256 })
    expect(sae.transcoder!.W_skip).toHaveLength(256 * 256)
    const other = await train('transcoder', ...hooks, ...sizes, '--stream')
    expect(other.code).toBe(1)
    expect(other.message).toMatch(/begun with .*(recipe|hook_out)/)
  })

  it.each([
    ['with activations on disk', []],
    ['in a stream', ['--stream']],
  ])(
    'holds the model in the precision that is asked for, %s, and keeps to it',
    async (how, more) => {
      const flags = ['--hooks', 'blocks.1.hook_resid_post', '--width', '64', '--l0', '5', ...more]
      const [f32, q4] = [await planned(...flags), await planned(...flags, '--weights', 'q4')]
      // Blocks and the embedding; four bits, and a scale of two bytes for 32 of them.
      const n_weights = 4_593_664
      expect(f32.memory.model_bytes - q4.memory.model_bytes).toBe(n_weights * (4 - 0.5 - 2 / 32))
      const name = how.replaceAll(' ', '-')
      for (const precision of ['f32', 'q4'])
        expect(await train(`${name}-${precision}`, ...flags, '--weights', precision)).toMatchObject(
          { code: 0, message: '' },
        )
      const sae = (precision: string) =>
        loadSae(
          join(folder.path, `${name}-${precision}`, 'blocks.1.hook_resid_post', 'width_64', 'l0_5'),
        )
      expect((await sae('q4')).W_enc).not.toEqual((await sae('f32')).W_enc)
      expect((await readSuiteFile(join(folder.path, `${name}-q4`)))!.pipeline!.weights).toBe('q4')
      const other = await train(`${name}-q4`, ...flags)
      expect(other.message).toMatch(/begun with weights "q4", now asked for unset/)
    },
  )

  it('is refused where flags do not go together', async () => {
    const wrong = [
      ['--skip'],
      ['--stream', '--keep-activations'],
      ['--architecture', 'sparse'],
      ['--dtype', 'F8'],
    ]
    for (const flags of wrong) expect((await train('none', ...flags)).code, flags.join(' ')).toBe(2)
    const fixed = ['--architecture', 'topk', '--sparsity', 'fixed', '--lambda', '0.2']
    expect((await train('fixed', ...fixed)).message).toMatch(/topk .* has no lambda to fix/)
  })
})

it('hooke capture --dry-run says what a store takes', async () => {
  const given = ['--data', text, '--hooks', 'blocks.3.ln2.hook_normalized', '--to', 'hook_mlp_out']
  const out = ['--out', join(folder.path, 'store'), '--dtype', 'BF16']
  const { printed, code } = await hooke(
    'capture',
    'thimble-5m',
    ...given,
    ...out,
    '--dry-run',
    '--json',
  )
  expect(code).toBe(0)
  const plan = JSON.parse(printed) as CapturePlan
  expect(plan.sites).toEqual(['blocks.3.ln2.hook_normalized', 'blocks.3.hook_mlp_out'])
  const captured = await hooke('capture', 'thimble-5m', ...given, ...out, '--json')
  const manifest = JSON.parse(captured.printed) as {
    n_tokens: number
    shards: { size_bytes: number }[]
  }
  expect(manifest.n_tokens).toBe(plan.n_tokens)
  const written = manifest.shards.reduce((n, { size_bytes }) => n + size_bytes, 0)
  expect(Math.abs(written - plan.disk_bytes)).toBeLessThan(2000)
})
