/**
 * `hooke train`, killed with SIGKILL at thirty seeded moments and started again with the same command until it is done: in the
 * end the bytes are those of a run that nobody disturbed, and nothing else is left.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { verifyStore } from '../src/activations/index.ts'
import { openRandom } from '../src/model/index.ts'
import { temporaryFolder } from './tinySuite.ts'

const N_KILLS = 30
const ROOT = join(import.meta.dirname, '..')
const HOOKS = ['blocks.0.hook_resid_post', 'blocks.2.hook_mlp_out'] as const
const N_STEPS = 60

/** What a run was doing when it was killed, as its folder tells. */
const PHASES = ['capture', 'training', 'checkpoint', 'saving'] as const
type Phase = (typeof PHASES)[number]

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let model: string
let text: string
beforeAll(async () => {
  folder = await temporaryFolder()
  model = join(folder.path, 'model')
  text = join(folder.path, 'text.txt')
  await cp(join(ROOT, 'test/fixtures/gemma2-tiny'), model, { recursive: true })
  await writeFile(join(model, 'tokenizer.json'), JSON.stringify(byteTokenizer()))
  const anthology = await readFile(join(ROOT, 'models/thimble-5m/anthology.txt'), 'utf8')
  await writeFile(text, anthology.slice(0, 110_000))
})
afterAll(() => folder.remove())

/** A vocabulary of bytes: the tiny model of the fixtures has none of its own. */
function byteTokenizer() {
  const special = ['<pad>', '<eos>', '<bos>', '<unk>']
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  )
  const vocab = Object.fromEntries([...special, ...bytes].map((piece, id) => [piece, id]))
  return {
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<bos>' } }, { Sequence: { id: 'A' } }],
    },
    decoder: null,
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: false,
      byte_fallback: true,
      vocab,
      merges: [],
    },
  }
}

function start(out: string): {
  child: ChildProcess
  ended: Promise<number | null>
  said: () => string
} {
  const given = ['--data', text, '--out', out, '--hooks', ...HOOKS, '--keep-activations']
  const sizes = `--width 1024 --l0 8 --tokens ${N_STEPS * 500} --batch 500 --held-out 0.01 --threads 1 --checkpoint-every 4`
  const main = join(ROOT, 'src/cli/main.ts')
  const child = spawn(process.execPath, [main, 'train', model, ...given, ...sizes.split(' ')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr!.on('data', (data: Buffer) => {
    said += data.toString()
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return { child, ended, said: () => said }
}

const namesIn = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])
const saeFolders = (out: string) => HOOKS.map((hook) => join(out, hook, 'width_1k', 'l0_8'))

/** Checkpoints that are being written, or were when a run was killed. */
const halfWritten = (out: string): string[] =>
  namesIn(join(out, 'checkpoint')).filter((name) => name.endsWith('.tmp'))

/** Whether a run has come to a phase: what to wait for before killing it there. @param before what its folder held of `halfWritten`. */
function isIn(phase: Phase, out: string, said: string, before: readonly string[]): boolean {
  switch (phase) {
    case 'capture':
      return said.includes('capturing')
    case 'training':
      return said.includes('training')
    case 'checkpoint':
      return halfWritten(out).some((name) => !before.includes(name))
    case 'saving':
      return said.includes('training') && saeFolders(out).some((path) => existsSync(path))
    default:
      return phase satisfies never
  }
}

/** Where a killed run was. */
function phaseOf(
  out: string,
  said: string,
  before: readonly string[],
): Phase | 'starting' | 'evaluation' {
  if (said.includes('evaluating')) return 'evaluation'
  const phase = (['checkpoint', 'saving', 'training', 'capture'] as const).find((each) =>
    isIn(each, out, said, before),
  )
  return phase ?? 'starting'
}

/** Everything that must not depend on kills. */
async function results(out: string): Promise<Record<string, Buffer>> {
  const activations = namesIn(join(out, 'activations')).map((name) => join('activations', name))
  const saes = saeFolders(out).flatMap((path) =>
    ['sae_weights.safetensors', 'cfg.json', 'metrics.json'].map((name) =>
      join(path, name).slice(out.length + 1),
    ),
  )
  const files = await Promise.all(
    [...activations, ...saes].map(async (name) => [name, await readFile(join(out, name))] as const),
  )
  return Object.fromEntries(files)
}

it('killed at thirty moments, it ends with the bytes of an undisturbed run', async () => {
  const undisturbed = join(folder.path, 'undisturbed')
  const first = start(undisturbed)
  expect(await first.ended, first.said()).toBe(0)
  const expected = await results(undisturbed)

  const random = openRandom(30)
  const hits = new Map<string, number>()
  const log: string[] = []
  let n_kills = 0
  for (let round = 0; n_kills < N_KILLS; round++) {
    const out = join(folder.path, `killed-${round}`)
    // In the order of a run, so that every one of them can still be hit.
    const aims: Phase[] = [
      'capture',
      'capture',
      'training',
      'checkpoint',
      'checkpoint',
      'training',
      'saving',
      'saving',
    ]
    for (;;) {
      const aim = aims.shift()
      const before = halfWritten(out)
      const run = start(out)
      let isOver = false
      void run.ended.then(() => {
        isOver = true
      })
      if (aim !== undefined && n_kills < N_KILLS) {
        const longest_ms = aim === 'capture' || aim === 'training' ? 300 : 4
        while (!isOver && !isIn(aim, out, run.said(), before)) await setTimeout(0)
        await setTimeout(random() * longest_ms)
        run.child.kill('SIGKILL')
      }
      const code = await run.ended
      if (run.child.signalCode === 'SIGKILL') {
        const phase = phaseOf(out, run.said(), before)
        n_kills++
        hits.set(phase, (hits.get(phase) ?? 0) + 1)
        log.push(phase)
        continue
      }
      expect(code, run.said()).toBe(0)
      break
    }
    expect(await results(out)).toEqual(expected)
    await verifyStore(join(out, 'activations'))
    const left = readdirSync(out, { recursive: true }).map(String)
    expect(left.filter((name) => name.includes('.tmp') || name.startsWith('checkpoint'))).toEqual(
      [],
    )
  }
  console.log(`killed in: ${log.join(', ')}`)
  for (const phase of PHASES) expect(hits.get(phase) ?? 0, phase).toBeGreaterThan(0)
}, 300_000)
