/** The examples of docs/api.md, run as they stand against a server. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createClient } from '../src/api/index.ts'
import { serveTiny, TINY_SAE, type TinyServer } from './tinyServer.ts'

const run = promisify(execFile)
const PRINTED_AT = 'http://127.0.0.1:4665'
const API = join(import.meta.dirname, '../src/api/index.ts')
const page = await readFile(join(import.meta.dirname, '../docs/api.md'), 'utf8')
const hasCurl = await run('curl', ['--version']).then(
  () => true,
  () => false,
)
if (!hasCurl) console.warn('apiDocs.test: the shell examples are skipped, there is no curl')

/** Code blocks of a language, each with the line it begins at. */
const examples = (language: string): { code: string; line: number }[] =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map((match) => ({
    code: match[1]!,
    line: page.slice(0, match.index).split('\n').length,
  }))

const TOKEN = 'a-token-for-the-examples'

let tiny: TinyServer
beforeAll(async () => {
  tiny = await serveTiny()
  await tiny.api.addLabel({ sae: TINY_SAE, index: 5, text: 'the sea', author: 'test' })
})
afterAll(() => tiny?.close())

const here = (code: string): string =>
  code.replaceAll(PRINTED_AT, tiny.server.url.replace(/\/$/, '')).replaceAll('hooke/api', API)

describe('docs/api.md', () => {
  it.skipIf(!hasCurl).each(examples('sh'))(
    'answers the shell example at line $line',
    async ({ code }) => {
      const { stdout } = await run('sh', ['-ec', here(code)])
      const answer = JSON.parse(stdout) as object
      expect(Object.keys(answer)).not.toContain('error')
      expect(stdout.length).toBeGreaterThan(100)
    },
  )

  it.each(examples('ts'))('runs the example at line $line', async ({ code, line }) => {
    const file = join(tiny.folder, `example${line}.ts`)
    await writeFile(file, here(code))
    const { stdout, stderr } = await run(process.execPath, ['--no-warnings', file])
    expect(stderr).toBe('')
    expect(stdout).toMatch(/\w/)
    expect(stdout).not.toContain('undefined undefined')
  })

  it('shows what each function of the client is for, and nothing that is not there', () => {
    const used = [...page.matchAll(/hooke\.(\w+)\(/g)].map((match) => match[1])
    const client = createClient(PRINTED_AT)
    for (const name of used) expect(client).toHaveProperty(name!)
    expect(new Set(used).size).toBeGreaterThan(6)
  })
})

describe('the client', () => {
  it('sends the token that stands in the address or is given, and no other', async () => {
    const sent: (string | null)[] = []
    const fetch = (address: string, init: RequestInit) => {
      expect(address).not.toContain(TOKEN)
      sent.push(new Headers(init.headers).get('authorization'))
      return Response.json([])
    }
    await createClient(`http://127.0.0.1:1/?token=${TOKEN}`, { fetch }).runs()
    await createClient('http://127.0.0.1:1', { fetch, token: 'given' }).runs()
    await createClient('http://127.0.0.1:1', { fetch }).runs()
    expect(sent).toEqual([`Bearer ${TOKEN}`, 'Bearer given', null])
  })

  it('puts what it is given where it belongs, escaped', async () => {
    const asked: [string, string | undefined, string][] = []
    const fetch = (address: string, init: RequestInit) => {
      asked.push([init.method!, init.body as string | undefined, address])
      return Response.json({})
    }
    const client = createClient('http://127.0.0.1:1', { fetch })
    await client.latents({ sae: 'a~b/c?~width_1~l0_1', sort: 'density', limit: 2 })
    await client.testLatent({ sae: 's', index: 3, text: 'x' })
    await client.retireLabel({ id: 9 })
    expect(asked).toEqual([
      [
        'GET',
        undefined,
        'http://127.0.0.1:1/api/saes/a~b%2Fc%3F~width_1~l0_1/latents?sort=density&limit=2',
      ],
      ['POST', '{"text":"x"}', 'http://127.0.0.1:1/api/saes/s/latents/3/test'],
      ['DELETE', undefined, 'http://127.0.0.1:1/api/labels/9'],
    ])
    // @ts-expect-error the index is missing, which types say and the client too
    await expect(client.latent({ sae: 's' })).rejects.toThrow('index is missing')
  })

  it('ends a stream when its signal aborts or its loop is broken off', async () => {
    const client = createClient(tiny.server.url)
    const stop = new AbortController()
    const events = client.events(undefined, { signal: stop.signal })
    const waiting = events.next()
    stop.abort()
    await expect(waiting).rejects.toThrow(/abort/i)
    const interventions = [{ sae: TINY_SAE, latent: 1, mode: 'ablate' as const }]
    for await (const event of client.steer({ prompt: 'The', max_tokens: 200, interventions })) {
      expect(event.type).toBe('token')
      break
    }
    const { tokens } = await client.microscope({ text: 'free again' })
    expect(tokens.length).toBeGreaterThan(1)
  })
})
