/** What leaves the explorer as files: the static site on a file host, and a view as one file, in a real browser. */
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe as describeAlways, expect, it } from 'vitest'
import { obtainBrowser } from '../scripts/browser.mjs'
import { createClient } from '../src/api/index.ts'
import { exportSite, renderIndex } from '../src/cli/exportSite.ts'
import { runPipeline } from '../src/jobs/index.ts'
import { type RunningServer, startServer } from '../src/server/index.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'
const HOSTILE = `<img src=x onerror="window.harmed=1"></script><script>window.harmed=1</script>\u202e`
const TEXT = 'The ship came home through the fog.'
const executablePath = await obtainBrowser()
if (!executablePath) console.warn('site.test: skipped, no Chromium to be had; set CHROMIUM')
const describe = describeAlways.skipIf(!executablePath)

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let site: string
let page_built: string
let host: Server
let server: RunningServer
let browser: Browser

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
      'content-type': types[extname(name)] ?? 'text/plain',
    })
    response.end(content ?? 'not here')
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

beforeAll(async () => {
  if (!executablePath) return
  folder = await temporaryFolder()
  page_built = join(folder.path, '.page')
  await build({
    configFile: join(import.meta.dirname, '../web/vite.config.ts'),
    logLevel: 'error',
    build: { outDir: page_built },
  })
  await runPipeline(await tinyConfig(folder.path))
  const before = await startServer({ workspace: folder.path, port: 0, model: { threads: 1 } })
  await before.imported
  await createClient(before.url).addLabel({
    sae: SAE,
    index: 3,
    text: `foghorn ${HOSTILE}`,
    author: 'x',
  })
  await before.close()
  site = join(folder.path, '.site')
  await exportSite(join(folder.path, 'tiny'), site, {
    texts: [TEXT],
    signal: new AbortController().signal,
    onProgress: () => {},
    page: page_built,
  })
  host = await serveFiles(site, '/some/where/')
  server = await startServer({
    workspace: folder.path,
    port: 0,
    model: { threads: 1 },
    page: page_built,
  })
  await server.imported
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
}, 180_000)
afterAll(async () => {
  await browser?.close()
  host?.close()
  await server?.close()
  await folder?.remove()
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
      expect.arrayContaining(['index.json', 'saes/0/list.json', 'saes/1/0.json']),
    )
    for (const name of files.filter((name) => extname(name) !== ''))
      expect(await readFile(join(site, 'data', name), 'utf8'), name).not.toContain(folder.path)
  })

  it('writes into its own folder only', async () => {
    const options = { texts: [], signal: new AbortController().signal, onProgress: () => {} }
    const suite = join(folder.path, 'tiny')
    await expect(exportSite(suite, suite, { ...options, page: page_built })).rejects.toThrow(
      'holds no site',
    )
    await expect(
      exportSite(suite, join(folder.path, 'x'), { ...options, page: join(folder.path, 'none') }),
    ).rejects.toThrow('npm run build:web')
    expect(renderIndex('<meta charset="utf-8" /><script src="/a.js">')).toContain('src="./a.js"')
  })
})

describe('a view kept as a file', () => {
  const latent = (index: number) => `/latent/${encodeURIComponent(SAE)}/${index}`
  const hostileText = encodeURIComponent(`${HOSTILE} javascript:harm() \u0000 ${'long'.repeat(40)}`)
  it.each([
    ['/?dense=shown&text=The+fog', 'fog'],
    [`/?dense=shown&text=${hostileText}`, 'onerror'],
    [latent(3), 'Strongest examples'],
    ['/suite', 'tiny'],
    ['/search?q=foghorn', 'onerror'],
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
