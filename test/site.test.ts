/** What leaves the explorer as files: the static site on a file host, and a view as one file, in a real browser. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { dirname, extname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe as describeAlways, expect, it } from 'vitest'
import { createClient } from '../src/api/index.ts'
import { exportSite } from '../src/cli/exportSite.ts'
import { renderIndex } from '../src/cli/siteFiles.ts'
import { type RunningServer, startServer } from '../src/server/index.ts'
import { builtPage, executablePath } from './explorer.ts'
import { type temporaryFolder, tinyWorkspace } from './tinySuite.ts'

const SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'
const HOSTILE = `<img src=x onerror="window.harmed=1"></script><script>window.harmed=1</script>\u202e`
const TEXT = 'The ship came home through the fog.'
const describe = describeAlways.skipIf(!executablePath)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let site: string
let page_built: string
let host: Server
let server: RunningServer
let browser: Browser

/** Whether the host says of a `.gz` that its content is encoded, as some do: the browser unpacks it then. */
let saysEncoded = false

/** A file host as plain as they come: files below a sub-path, 404 for all else. */
function serveFiles(root: string, below: string): Promise<Server> {
  const types: Record<string, string> = {
    '.html': 'text/html',
    '.js': 'text/javascript',
    '.css': 'text/css',
    '.svg': 'image/svg+xml',
    '.json': 'application/json',
  }
  const server = createServer(async (request, response) => {
    const path = new URL(request.url!, 'http://x').pathname
    const name = path === below ? 'index.html' : path.slice(below.length)
    const content = path.startsWith(below)
      ? await readFile(join(root, name)).catch(() => undefined)
      : undefined
    response.writeHead(content ? 200 : 404, {
      'content-type': types[extname(name)] ?? 'application/octet-stream',
      ...(saysEncoded && name.endsWith('.gz') ? { 'content-encoding': 'gzip' } : {}),
    })
    response.end(content ?? 'not here')
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

beforeAll(async () => {
  if (!executablePath) return
  folder = await tinyWorkspace()
  page_built = await builtPage()
  const before = await startServer({ workspace: folder.path, port: 0, model: { threads: 1 } })
  await before.imported
  await createClient(before.url).addLabel({
    sae: SAE,
    index: 3,
    text: `foghorn ${HOSTILE}`,
    author: 'x',
  })
  await before.close()
  await spoilPieces(join(folder.path, 'tiny', 'pieces.json'))
  site = join(folder.path, '.site')
  const left = join(folder.path, '..site.partial', 'data', 'saes', '7')
  await mkdir(left, { recursive: true })
  await writeFile(join(left, '0.json.gz'), 'half')
  await exportTo(site)
  host = await serveFiles(site, '/some/where/')
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
}, 180_000)
afterAll(async () => {
  await browser?.close()
  host?.close()
  await server?.close()
  await folder?.remove()
})

/** Makes every third token of the vocabulary, as latents show it, hostile. */
async function spoilPieces(path: string): Promise<void> {
  const pieces = JSON.parse(await readFile(path, 'utf8')) as string[]
  await writeFile(path, JSON.stringify(pieces.map((piece, i) => (i % 3 === 0 ? HOSTILE : piece))))
}

const exportTo = (out: string, onProgress = () => {}, signal = new AbortController().signal) =>
  exportSite(join(folder.path, 'tiny'), out, {
    texts: [TEXT],
    signal,
    onProgress,
    page: page_built,
  })

/** How the parts of a view are set, as the browser computed it. */
const LOOKS = `[...document.querySelectorAll('body, main h1, main h2, main p, main td, main th')].slice(0, 40).map((e) => {
  const { fontFamily, fontSize, fontWeight, color, display } = getComputedStyle(e)
  return [e.localName, fontFamily, fontSize, fontWeight, color, display]
})`

/** A page with everything that goes wrong on it: errors, refused scripts and styles, requests that leave the host. */
async function open(address: string): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } })
  page.setDefaultTimeout(20_000)
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(new URL(address).origin) && !/^(data|blob):/.test(request.url()))
      errors.push(`asked ${request.url()}`)
  })
  await page.goto(address)
  return { page, errors }
}
const at = (path = '') =>
  `http://127.0.0.1:${(host.address() as AddressInfo).port}/some/where/${path}`

describe('hooke export --site', () => {
  it('opens below any path of a file host, and shows the microscope of its text', async () => {
    const { page, errors } = await open(at('#/?dense=shown'))
    await page.getByText('A static copy').waitFor()
    await page.getByRole('grid').getByText('fog').waitFor()
    expect(await page.getByRole('grid').locator('tbody tr').count()).toBe(2)
    await page.getByRole('textbox', { name: 'Your sentence' }).fill('Something else.')
    await page.getByRole('button', { name: 'Look' }).click()
    await page
      .getByRole('alert')
      .getByText(/static copy.*hooke serve.*The ship came home/)
      .waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('shows a latent with its examples and a hostile label as text, and leads on by keys', async () => {
    const { page, errors } = await open(at(`#/latent/${encodeURIComponent(SAE)}/3`))
    await page.getByRole('heading', { level: 1, name: HOSTILE.slice(0, 20) }).waitFor()
    await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
    expect(await page.evaluate("'harmed' in window")).toBe(false)
    await page.keyboard.press('j')
    await page.waitForURL(/#\/latent\/.*\/4/)
    await page.getByText('layer 4 · 4').first().waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('lists and searches without a server', async () => {
    const { page, errors } = await open(at('#/suite'))
    await page.locator('.suite-table tbody tr').first().waitFor()
    await page.goto(at('#/search?q=onerror'))
    await page.locator('.hit', { hasText: 'onerror' }).first().waitFor()
    expect(await page.evaluate("'harmed' in window")).toBe(false)
    expect(errors).toEqual([])
    await page.close()
  })

  it('runs no script that is not its own', async () => {
    const { page } = await open(at())
    await page.getByText('A static copy').waitFor()
    const inline = `const s = document.createElement('script'); let threw = false
      try { s.textContent = 'window.harmed = 1' } catch { threw = true }
      document.body.append(s); threw || !('harmed' in window)`
    expect(await page.evaluate(inline)).toBe(true)
    const markup = `(() => { try { document.body.innerHTML = '<b>x</b>'; return 'set' } catch { return 'refused' } })()`
    expect(await page.evaluate(markup)).toBe('refused')
    const elsewhere = `fetch('http://localhost:9/').then(() => 'sent', () => 'refused')`
    expect(await page.evaluate(elsewhere)).toBe('refused')
    await page.close()
  })

  it('says nothing of the machine that made it, and keeps to files of a hundred latents', async () => {
    const files = await readdir(join(site, 'data'), { recursive: true })
    expect(files).toEqual(
      expect.arrayContaining(['index.json', 'saes/0/list.json.gz', 'saes/1/0.json.gz']),
    )
    for (const name of files.filter((name) => extname(name) !== '')) {
      const content = await readFile(join(site, 'data', name))
      const text = (name.endsWith('.gz') ? gunzipSync(content) : content).toString()
      expect(text, name).not.toContain(folder.path)
      expect(text, name).not.toContain(dirname(import.meta.dirname))
    }
  })

  it('shows every view or says what it needs, in a link and loaded again, and asks nobody else', async () => {
    const steered = encodeURIComponent(`${SAE}/3:add:1`)
    const views: [string, RegExp][] = [
      ['?dense=shown', /fog/],
      ['latent/SAE/3', /Its next in other layers|Family, nearest|No direction/],
      ['suite', /tiny/],
      ['search?q=foghorn', /onerror/],
      ['search?kind=text&q=the+sea', /searching by a text or a direction needs Hooke itself/],
      [`steer?with=${steered}`, /Steer/],
      ['compare?tab=prompts', /comparing needs Hooke itself/],
      ['review', /reviewing labels needs Hooke itself/],
      ['learn', /Your latent|look/i],
    ]
    const { page, errors } = await open(at())
    for (const [path, says] of views) {
      const address = at(`#/${path.replace('SAE', encodeURIComponent(SAE))}`)
      await page.goto(address)
      await page.getByRole('main').getByText(says).first().waitFor()
      saysEncoded = !saysEncoded
      await page.reload()
      await page.getByRole('main').getByText(says).first().waitFor()
      expect(await page.evaluate("'harmed' in window"), path).toBe(false)
    }
    saysEncoded = false
    expect(errors).toEqual([])
    await page.close()
  })

  it('reads a token of its text through the layers', async () => {
    const { page, errors } = await open(at('#/?dense=shown&panel=depth'))
    await page.locator('.depth-table tbody').first().waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('is whole or not there, and an earlier one stays until the next is whole', async () => {
    const files = () => readdir(site, { recursive: true })
    const inFolder = () => readdir(folder.path)
    // What a killed run had left is neither beside it nor in it.
    const [before, beside] = [await files(), await inFolder()]
    expect(beside.filter((name) => name.includes('site'))).toEqual(['.site'])
    expect(before.filter((name) => name.startsWith('data/saes/7'))).toEqual([])
    const stop = new AbortController()
    const stopped = exportTo(site, () => stop.abort(), stop.signal)
    await expect(stopped).rejects.toThrow(/an earlier one is as it was/)
    await expect(stopped).rejects.toHaveProperty('name', 'AbortError')
    expect(await files()).toEqual(before)
    expect(await inFolder()).toEqual(beside)
  })

  it('writes into its own folder only', async () => {
    const options = { texts: [], signal: new AbortController().signal, onProgress: () => {} }
    const suite = join(folder.path, 'tiny')
    await expect(exportSite(suite, suite, { ...options, page: page_built })).rejects.toThrow(
      'holds no site',
    )
    const none = join(folder.path, 'none')
    const tried = () => exportSite(suite, join(folder.path, 'x'), { ...options, page: none })
    await expect(tried()).rejects.toThrow('is not there: build the page first')
    await mkdir(none)
    await writeFile(join(none, 'index.html'), '<meta charset="utf-8" />')
    await expect(tried()).rejects.toThrow('is older than this command')
    expect(renderIndex('<meta charset="utf-8" /><script src="/a.js">')).toContain('src="./a.js"')
  })
})

describe('a view kept as a file', () => {
  beforeAll(async () => {
    server = await startServer({
      workspace: folder.path,
      port: 0,
      model: { threads: 1 },
      page: page_built,
    })
    await server.imported
  })

  const latent = (index: number) => `/latent/${encodeURIComponent(SAE)}/${index}`
  const hostileText = encodeURIComponent(`${HOSTILE} javascript:harm() \u0000 ${'long'.repeat(40)}`)
  it.each([
    ['/?dense=shown&text=The+fog', 'fog'],
    [`/?dense=shown&text=${hostileText}`, 'onerror'],
    [latent(3), 'Strongest examples'],
    ['/suite', 'tiny'],
    ['/search?q=foghorn', 'onerror'],
    [`/compare?tab=prompts&a=The+fog&b=${hostileText}`, 'onerror'],
    ['/review', 'onerror'],
    [`/steer?with=${encodeURIComponent(`${SAE}/3:add:1`)}`, 'Steer'],
  ])('is %s offline, without scripts, and asks for nothing', async (path, says) => {
    const { page, errors } = await open(new URL(path, server.url).href)
    await page.getByRole('main').waitFor()
    await expect.poll(() => page.locator('[aria-busy="true"]').count(), { timeout: 20_000 }).toBe(0)
    await page.getByText(says).first().waitFor()
    let before = ''
    const stands = async () => {
      const now = await page.getByRole('main').innerText()
      const isSame = now === before
      before = now
      return isSame
    }
    await expect.poll(stands, { interval: 500, timeout: 20_000 }).toBe(true)
    await page
      .getByRole('main')
      .focus()
      .catch(() => {})
    await page.evaluate('document.activeElement?.blur()')
    const kept = page.waitForEvent('download')
    await page.keyboard.press('S')
    const file = join(folder.path, `${Math.random()}.html`)
    await (await kept).saveAs(file)
    expect((await kept).suggestedFilename()).toMatch(/^hooke-[a-z]+(-\d+)?\.html$/)
    expect(errors).toEqual([])
    const shown = await page.getByRole('main').innerText()
    const looks = await page.evaluate(LOOKS)
    await page.close()

    const html = await readFile(file, 'utf8')
    expect(html).not.toMatch(/<(script|link|iframe|object|embed|base)\b/i)
    expect(html).not.toContain(new URL(server.url).host)
    expect(html).not.toContain(folder.path.concat('/.hooke'))
    const offline = await browser.newContext({
      offline: true,
      viewport: { width: 1440, height: 900 },
    })
    const copy = await offline.newPage()
    const asked: string[] = []
    copy.on('request', (request) => asked.push(request.url()))
    copy.on('console', (message) => asked.push(message.text()))
    copy.on('pageerror', (error) => asked.push(error.message))
    await copy.goto(`file://${file}`)
    expect(asked).toEqual([`file://${file}`])
    expect(await copy.evaluate("'harmed' in window")).toBe(false)
    const withEvents = `[...document.querySelectorAll('*')].filter((e) =>
      [...e.attributes].some((a) => /^on|javascript:/i.test(a.name + '=' + a.value) && a.name !== 'value')).length`
    expect(await copy.evaluate(withEvents)).toBe(0)
    expect(await copy.evaluate(LOOKS)).toEqual(looks)
    const words = (text: string) => text.split(/\s+/).slice(0, 200).join(' ')
    expect(words(await copy.getByRole('main').innerText())).toBe(words(shown))
    await offline.close()
  })
})
