/** `hooke pull` and `hooke push`, and Hub ids where other commands take models, suites and texts. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { runPipeline } from '../src/jobs/index.ts'
import { listSuite, loadSae, readMetrics } from '../src/sae/disk.ts'
import { hooke } from './commandLine.ts'
import { type HubServer, openHubServer } from './hubServer.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const TOKEN = 'hf_forTestsOnly'

let server: HubServer
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config, { stages: ['capture', 'train', 'evaluate', 'index'] })
  suite = config.out
}, 60_000)
afterAll(() => folder.remove())

beforeEach(async () => {
  server = await openHubServer()
  vi.stubEnv('HF_ENDPOINT', server.endpoint)
  vi.stubEnv('HF_HOME', join(folder.path, 'home'))
  vi.stubEnv('HF_TOKEN', TOKEN)
  vi.stubEnv('HF_HUB_OFFLINE', '')
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await server.close()
  await rm(join(folder.path, 'home'), { recursive: true, force: true })
})

const fixture = (file: string) => readFile(join(import.meta.dirname, 'fixtures/gemma2-tiny', file))
async function addModel(): Promise<void> {
  server.add('ada/tiny', {
    'README.md': '#',
    'config.json': await fixture('config.json'),
    'model.safetensors': await fixture('model.safetensors'),
    'pytorch_model.bin': 'x',
  })
}

describe('hooke pull', () => {
  it('prints the folder of what a model needs, and other commands take the same id', async () => {
    await addModel()
    const { code, printed, message } = await hooke('pull', 'ada/tiny')
    expect({ code, message }).toEqual({ code: 0, message: '' })
    expect(readdirSync(printed).sort()).toEqual(['config.json', 'model.safetensors'])
    const local = await hooke('run', printed, '--ids', '2,7,9', '--json')
    const byId = await hooke('run', 'ada/tiny', '--ids', '2,7,9', '--json')
    expect(JSON.parse(byId.printed)).toMatchObject({ n_tokens: 3 })
    expect(byId.printed).toBe(local.printed)
    server.seen.length = 0
    const offline = await hooke('run', 'ada/tiny', '--ids', '2,7,9', '--json', '--offline')
    expect(offline.printed).toBe(local.printed)
    expect(server.seen).toEqual([])
  })

  it('takes globs and a revision, for data sets too', async () => {
    const made = server.add(
      'ada/texts',
      { 'a/1.txt': 'one', 'b/2.txt': 'two' },
      { type: 'dataset' },
    )
    const old = made.refs.get('main')!
    server.commit(made, { 'a/1.txt': 'new' })
    const { printed } = await hooke(
      'pull', 'ada/texts', '--type', 'dataset', '--revision', old, '--include', 'a/*', '--json',
    ) // biome-ignore format: one command
    const { folder: at } = JSON.parse(printed) as { folder: string }
    expect(readdirSync(at)).toEqual(['a'])
    expect(readFileSync(join(at, 'a/1.txt'), 'utf8')).toBe('one')
  })

  it('takes one SAE of a repository by its folder', async () => {
    const npz = await readFile(join(import.meta.dirname, 'fixtures/gemma-scope-npz/stored.npz'))
    server.add('ada/saes', { 'layer_0/l0_1/params.npz': npz, 'layer_0/l0_2/params.npz': npz })
    const { printed, message } = await hooke('pull', 'ada/saes/layer_0/l0_2')
    expect(message).toBe('')
    expect(readdirSync(printed)).toEqual(['params.npz'])
    expect(readdirSync(join(printed, '..'))).toEqual(['l0_2'])
  })

  it('stopped by Ctrl-C ends with 130, keeps what came, and goes on from there', async () => {
    await addModel()
    server.faults.push({ match: /storage GET/, slow_ms: 10 })
    const main = join(import.meta.dirname, '../src/cli/main.ts')
    const child = spawn(process.execPath, [main, 'pull', 'ada/tiny'], { env: process.env })
    let said = ''
    child.stderr.on('data', (bytes) => {
      said += bytes
    })
    const ended = new Promise((done) => child.on('close', done))
    const blobs = join(folder.path, 'home/hub/models--ada--tiny/blobs')
    const incomplete = () => {
      const name = existsSync(blobs) && readdirSync(blobs).find((one) => /incomplete$/.test(one))
      return name ? statSync(join(blobs, name)).size : 0
    }
    while (incomplete() < 3000) await setTimeout(10)
    child.kill('SIGINT')
    expect(await ended).toBe(130)
    expect(said).toMatch(/stopp/)
    const kept = incomplete()
    server.seen.length = 0
    expect((await hooke('pull', 'ada/tiny')).code).toBe(0)
    const storage = server.seen.find(({ host }) => host === 'storage')
    expect(storage?.headers.range).toBe(`bytes=${kept}-`)
  }, 20_000)

  it('says what to do about what is no model, and what is no id', async () => {
    server.add('ada/saes', { 'layer_0/params.npz': 'x' })
    expect((await hooke('pull', 'ada/saes')).message).toMatch(
      /hooke pull ada\/saes --include "\*\*"/,
    )
    expect((await hooke('pull', 'gpt2')).message).toMatch(
      /"gpt2" is no repository, expected owner\/name/,
    )
  })
})

describe('a text on the Hub', () => {
  it('is captured up to the tokens asked for', async () => {
    const text = await readFile(join(folder.path, 'tiny.txt'), 'utf8')
    const lines = text.split('<|endoftext|>').map((body) => `${JSON.stringify({ body })}\n`)
    server.add('ada/texts', { 'train.jsonl': lines.join('') }, { type: 'dataset' })
    const asked = [
      'capture', 'thimble-5m', '--data', 'ada/texts', '--text-column', 'body',
      '--hooks', 'blocks.1.hook_resid_post', '--threads', '1', '--json', '--out', join(folder.path, 'store'),
    ] // biome-ignore format: one command
    expect((await hooke(...asked)).message).toMatch(/how much of a data set on the Hub/)
    const { printed, message } = await hooke(...asked, '--tokens', '300')
    expect(message).toBe('')
    const manifest = JSON.parse(printed) as { n_tokens: number }
    expect(manifest.n_tokens).toBe(300)
  })
})

describe('hooke push', () => {
  const push = (...more: string[]) => hooke('push', suite, 'ada/saes', ...more)
  const uploads = () => server.paths('storage', 'PUT')

  it('lists with --dry-run what it would send, and sends nothing', async () => {
    const { code, printed } = await push('--dry-run')
    expect(code).toBe(0)
    expect(printed).toMatch(/README\.md +\d+ +to send/)
    expect(printed).toMatch(/sae_weights\.safetensors +\d+ +to send/)
    expect(printed).toMatch(
      /(\d+) of \1 files .* would be sent to ada\/saes, which would be made\./,
    )
    expect(server.repository('ada/saes')).toBeUndefined()
    expect(server.seen.every(({ method }) => method === 'GET')).toBe(true)
  })

  it('publishes what comes back the same, with a card', async () => {
    const { code, printed, message } = await push('--license', 'apache-2.0')
    expect({ code, message }).toEqual({ code: 0, message: '' })
    expect(printed).toBe(`${server.endpoint}/ada/saes`)
    const made = server.repository('ada/saes')!
    const files = made.commits.get(made.refs.get('main')!)!
    const readme = new TextDecoder().decode(files.get('README.md'))
    expect(readme).toMatch(/^---\nlibrary_name: saelens\nlicense: "apache-2.0"\ntags:\n/)
    const [entry] = await listSuite(suite)
    const metrics = (await readMetrics(entry!.path))!
    const inside = entry!.path.slice(suite.length + 1)
    expect(readme).toContain(
      `| \`${inside}\` | ${entry!.hook} | jumprelu | 64 | ${metrics.l0.toFixed(1)} | ${metrics.fvu!.toFixed(4)} | ${metrics.delta_ce_loss!.toFixed(4)} |`,
    )
    expect(readme).toContain(`SAE.from_pretrained("ada/saes", "${inside}")`)
    expect(readme).toContain('2 sparse autoencoders for thimble-5m')
    const manifest = new TextDecoder().decode(files.get('suite.json'))
    expect(manifest).not.toContain(folder.path)
    expect(JSON.parse(manifest).pipeline.data).toEqual(['tiny.txt'])
    expect([...files.keys()].some((path) => /activations|checkpoint/.test(path))).toBe(false)

    const pulled = (await hooke('pull', 'ada/saes', '--include', '**')).printed
    expect(await loadSae(join(pulled, inside))).toEqual(await loadSae(entry!.path))
    const storage = server.seen.filter(({ host }) => host === 'storage')
    expect(storage.map(({ headers }) => headers.authorization)).not.toContain(`Bearer ${TOKEN}`)
    expect(storage.length).toBeGreaterThan(4)
  })

  it('sends only what is new', async () => {
    await push()
    const before = uploads().length
    expect(before).toBeGreaterThan(0)
    expect((await push()).printed).toMatch(/holds all of it already/)
    expect((await push('--license', 'mit')).printed).toBe(`${server.endpoint}/ada/saes`)
    expect(uploads()).toHaveLength(before)
    expect((await push('--dry-run', '--license', 'mit')).printed).toMatch(/^0 of \d+ files/m)
  })

  it('goes on after a break without sending large files again', async () => {
    server.faults.push({ match: /storage PUT/, status: 503, headers: { 'retry-after': '0' } })
    server.faults.push({ match: /POST .*\/commit\//, status: 500 })
    expect((await push()).message).toMatch(/the Hub or its storage failed/)
    const sent = uploads()
    expect(sent.length).toBe(new Set(sent).size + 1) // one was tried twice
    expect((await push()).code).toBe(0)
    expect(uploads()).toEqual(sent)
  })

  it('needs a token that may write, and a suite', async () => {
    vi.stubEnv('HF_TOKEN', '')
    expect((await push()).message).toMatch(/publishing needs a token that may write.*HF_TOKEN/)
    expect((await hooke('push', folder.path, 'ada/saes')).message).toMatch(/holds no SAE/)
    expect((await hooke('push', suite, 'saes')).message).toMatch(/expected owner\/name/)
    expect(existsSync(join(suite, 'README.md'))).toBe(false)
  })

  it('makes what steers from the Hub', async () => {
    await push()
    const { hook } = (await listSuite(suite))[0]!
    const steer = (from: string, ...more: string[]) =>
      hooke(
        'steer',
        from,
        '--latent',
        `${hook}/3`,
        '--prompt',
        'Once',
        '--max-tokens',
        '4',
        '--seed',
        '1',
        '--json',
        ...more,
      )
    const here = await steer(suite)
    expect(here.message).toBe('')
    expect((await steer('ada/saes')).printed).toBe(here.printed)
  })
})
