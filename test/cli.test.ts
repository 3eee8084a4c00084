/** The command line in this process: parity with golden files, bad input, help. */
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { renderError } from '../src/cli/errors.ts'
import { createProgram } from '../src/cli/program.ts'
import { openFile } from '../src/files/index.ts'
import { parseSafetensors, toFloat32, toInt32 } from '../src/formats/index.ts'
import { hooke } from './commandLine.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hooke-cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function readTensors(path: string) {
  const file = await openFile(path)
  try {
    const parsed = await parseSafetensors(file)
    const tensors = new Map(
      await Promise.all(
        [...parsed.tensors.keys()].map(async (name) => [name, await parsed.read(name)] as const),
      ),
    )
    return tensors
  } finally {
    await file.close()
  }
}

/** Largest difference over the largest magnitude of the reference. */
function relativeDifference(found: Float32Array, expected: Float32Array): number {
  let [difference, magnitude] = [0, 0]
  for (const [i, x] of expected.entries()) {
    difference = Math.max(difference, Math.abs(found[i]! - x))
    magnitude = Math.max(magnitude, Math.abs(x))
  }
  return difference / magnitude
}

describe('hooke run', () => {
  it.each([
    ['test/fixtures/gemma2-tiny', 'test/fixtures/gemma2-tiny/golden.safetensors'],
    ['thimble-5m', 'models/thimble-5m/golden.safetensors'],
  ])(
    'gives every hook of the golden file of %s, for every sequence',
    async (model, golden_path) => {
      const golden = await readTensors(golden_path)
      const ids = golden.get('input_ids')!
      const [n_seqs = 0, seq_len = 0] = ids.shape
      const names = [...golden.keys()].filter((name) =>
        /hook_(resid_pre|z|attn_out|mlp_out|resid_post)$|^logits$|^next_token_loss$/.test(name),
      )
      expect(names.length).toBeGreaterThan(18)
      for (let seq = 0; seq < n_seqs; seq++) {
        const out = join(folder, 'run.safetensors')
        const row = toInt32(ids).subarray(seq * seq_len, (seq + 1) * seq_len)
        const { code, message } = await hooke(
          'run',
          model,
          '--ids',
          row.join(','),
          '--hooks',
          'blocks.*',
          '--out',
          out,
        )
        expect(message).toBe('')
        expect(code).toBe(0)
        const found = await readTensors(out)
        for (const tensor of found.values()) expect(tensor.dtype).toBe('F32')
        for (const name of names) {
          const all = toFloat32(golden.get(name)!)
          const width = all.length / n_seqs
          const expected = all.subarray(seq * width, (seq + 1) * width)
          expect(toFloat32(found.get(name)!).length, name).toBe(expected.length)
          expect(relativeDifference(toFloat32(found.get(name)!), expected), name).toBeLessThan(2e-5)
        }
      }
    },
  )
})

describe('globs of hooks', () => {
  it.each([
    ['in braces', ['blocks.{0,3}.hook_resid_post']],
    ['joined by a comma', ['blocks.0.hook_resid_post,blocks.3.hook_resid_post']],
    ['as several words', ['blocks.0.hook_resid_post', 'blocks.3.hook_resid_post']],
  ])('%s name the same sites', async (_, globs) => {
    const { printed } = await hooke(
      'run',
      'thimble-5m',
      '--ids',
      '2,7',
      '--json',
      '--hooks',
      ...globs,
    )
    const { hooks } = JSON.parse(printed) as { hooks: { hook: string }[] }
    expect(hooks.map(({ hook }) => hook)).toEqual([
      'blocks.0.hook_resid_post',
      'blocks.3.hook_resid_post',
    ])
  })
})

describe('bad input', () => {
  it.each<[string, string[], number, RegExp]>([
    [
      'an unknown model',
      ['run', 'no-such-model', '--text', 'x'],
      1,
      /not a bundled model \(thimble-5m\).*config\.json/,
    ],
    [
      'a glob that matches nothing',
      ['run', 'thimble-5m', '--text', 'x', '--hooks', 'blocks.*.hook_resid_pots'],
      1,
      /no hook matches .*Nearest: blocks\.\d\.hook_resid_post/,
    ],
    [
      'both text and ids',
      ['run', 'thimble-5m', '--text', 'x', '--ids', '2'],
      2,
      /either --text or --ids/,
    ],
    [
      'text for a folder without a tokenizer',
      ['run', 'test/fixtures/gemma2-tiny', '--text', 'x'],
      2,
      /no tokenizer\.json.*--ids/,
    ],
    [
      'a token beyond the vocabulary',
      ['run', 'thimble-5m', '--ids', '2,4096'],
      1,
      /4096.*0 to 4095/,
    ],
    [
      'ids that are no numbers',
      ['run', 'thimble-5m', '--ids', '2,x'],
      2,
      /token ids separated by commas/,
    ],
    ['an empty list of ids', ['run', 'thimble-5m', '--ids', ''], 2, /token ids separated by/],
    [
      'a list of hooks without one',
      ['run', 'thimble-5m', '--text', 'x', '--hooks', ','],
      2,
      /at least one name/,
    ],
    ['an unknown flag', ['run', 'thimble-5m', '--txet', 'x'], 2, /unknown option '--txet'/],
    ['an unknown command', ['trian'], 2, /unknown command 'trian'/],
    ['a folder without SAEs', ['export', 'test', '--out', 'x'], 2, /holds no SAE.*hooke train/],
    ['a site and a layout', ['export', 'x', '--site', 'a', '--out', 'b'], 2, /are two exports/],
    ['a site in a format', ['export', 'x', '--site', 'a', '--format', 'saelens'], 2, /two exports/],
    ['a text for no site', ['export', 'x', '--out', 'a', '--text', 't'], 2, /of a --site/],
    ['a token of few characters', ['serve', '--token', 'short'], 1, /has 5 characters/],
    [
      'a server without its http',
      ['mcp', '--url', 'localhost:4665/?token=between-us'],
      2,
      /^--url is localhost:4665\/, expected one such as http:\/\/127\.0\.0\.1:4665$/,
    ],
    ['no data', ['capture', 'thimble-5m', '--out', 'x'], 2, /needs a model, --data and --hooks/],
  ])('%s ends with a clear message and the right exit code', async (_, args, code, pattern) => {
    const result = await hooke(...args)
    expect(result.message).toMatch(pattern)
    expect(result.code).toBe(code)
  })

  it.each<[string, string[], RegExp]>([
    [
      'more active latents than there are',
      ['--width', '64', '--l0', '100'],
      /L0 of 100.*64 latents/,
    ],
    ['less than a batch', ['--tokens', '100', '--batch', '200'], /100 tokens.*batch of 200/],
  ])('a training of %s is refused before anything is written', async (_, sizes, pattern) => {
    const text = join(folder, 'two.txt')
    await writeFile(text, 'The sea was calm.\n<|endoftext|>\nThe ship came home.')
    const out = join(folder, 'refused-suite')
    const refused = await hooke('train', 'thimble-5m', '--data', text, ...sizes, '--out', out)
    expect(refused).toMatchObject({ code: 1, message: expect.stringMatching(pattern) })
    expect(existsSync(out)).toBe(false)
  })

  it('leaves out what the system said where the message says it better', () => {
    const system = Object.assign(new Error('listen EADDRINUSE'), { syscall: 'listen' })
    const middle = new Error('', { cause: new Error('incorrect header check') })
    expect(renderError(new Error('the port is taken', { cause: system }))).toBe('the port is taken')
    expect(renderError(new Error('not gzip', { cause: middle }))).toBe(
      'not gzip\n  because: incorrect header check',
    )
    expect(renderError(AbortSignal.abort().reason)).toContain('the same command goes on')
  })

  it.each<[string, Uint8Array, RegExp]>([
    ['empty', new Uint8Array(), /is empty/],
    ['binary', new Uint8Array([80, 75, 3, 4, 0, 0, 0, 255]), /not text|NUL|UTF-8/],
  ])('%s text is refused before anything is computed', async (name, bytes, pattern) => {
    const path = join(folder, `${name}.txt`)
    await writeFile(path, bytes)
    const out = join(folder, `${name}-suite`)
    const { code, message } = await hooke('train', 'thimble-5m', '--data', path, '--out', out)
    expect(message).toMatch(pattern)
    expect(code).toBe(1)
  })

  it('a checkpoint cut short names the file, what was found and what was expected', async () => {
    const model = join(folder, 'cut')
    const { mkdir } = await import('node:fs/promises')
    await mkdir(model)
    const bytes = await readFile('models/thimble-5m/model.safetensors')
    await writeFile(join(model, 'model.safetensors'), bytes.subarray(0, bytes.length - 1000))
    await writeFile(join(model, 'config.json'), await readFile('models/thimble-5m/config.json'))
    const { code, message } = await hooke('run', model, '--ids', '2')
    expect(message).toMatch(/model\.safetensors/)
    expect(code).toBe(1)
  })

  it('a Postgres that is away is said without its password, by every command that opens a workspace', async () => {
    vi.stubEnv('DATABASE_URL', 'postgres://ada:between-us-only@127.0.0.1:9/hooke')
    const workspace = join(folder, 'empty')
    for (const args of [
      ['serve', workspace, '--port', '0'],
      ['mcp', workspace],
    ]) {
      const { code, message } = await hooke(...args)
      expect(message, args[0]).toMatch(/ada:\*\*\*@127\.0\.0\.1.*cannot connect to Postgres/)
      expect(message, args[0]).not.toContain('between-us')
      expect(code).toBe(1)
    }
    vi.unstubAllEnvs()
  })

  it('a busy port is said, with what to do', async () => {
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    try {
      const { code, message } = await hooke('serve', join(folder, 'empty'), '--port', String(port))
      expect(message).toMatch(new RegExp(`${port}.*--port`))
      expect(code).toBe(1)
    } finally {
      server.close()
    }
  })
})

describe('help', () => {
  it('says what every command takes', () => {
    const program = createProgram({ signal: new AbortController().signal })
    for (const command of program.commands) {
      command.configureHelp({ helpWidth: 100 })
      expect(command.summary(), command.name()).not.toBe('')
      for (const option of command.options) expect(option.description, option.flags).not.toBe('')
    }
    expect(program.commands.map((command) => command.name())).toMatchInlineSnapshot(`
      [
        "demo",
        "serve",
        "mcp",
        "run",
        "generate",
        "capture",
        "train",
        "eval",
        "check",
        "index",
        "label",
        "labels",
        "score",
        "embed",
        "search",
        "steer",
        "compare",
        "pull",
        "import",
        "export",
        "push",
        "bench",
      ]
    `)
  })
})
