/**
 * How fast the page is in a real Chromium: its first view from this machine, and the microscope and the list of latents at their
 * largest, with made-up answers of that size.
 *
 *   node bench/page.ts [n_tokens n_layers n_latents]
 *
 * Goals: first view under 1 s and its JavaScript under 250 kB gzipped; scrolling and hovering without a long task (50 ms).
 */
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { obtainBrowser } from '../scripts/browser.mjs'
import type { LatentList, Microscope, SaeSummary, Workspace } from '../src/api/index.ts'
import { runPipeline } from '../src/jobs/index.ts'
import { startServer } from '../src/server/index.ts'
import { temporaryFolder, tinyConfig } from '../test/tinySuite.ts'

const [n_tokens = 256, n_layers = 26, n_latents = 100_000] = process.argv.slice(2).map(Number)
const SITES = ['hook_resid_post', 'hook_mlp_out', 'attn.hook_z'] as const
const TOP_K = 6
const D_SAE = 16_384
const LONG_TASK_MS = 50
const CELL = '[role=grid] tbody bdi'
/** So small a dictionary has dense latents only. */
const FIRST = '/?dense=shown'

const saes: SaeSummary[] = Array.from({ length: n_layers }, (_, layer) =>
  SITES.map((site): SaeSummary => {
    const hook = `blocks.${layer}.${site}`
    return {
      id: `large~${hook}~width_16k~l0_64`,
      suite: 'large',
      hook,
      layer,
      d_in: 2304,
      d_sae: layer === 0 ? n_latents : D_SAE,
      l0_target: 64,
      state: 'labelled',
      n_labelled: D_SAE,
    }
  }),
).flat()

/** A whole answer: every cell its own latents, every latent a label. */
function largeMicroscope(): Microscope {
  const cellAt = (r: number, t: number) =>
    Array.from({ length: TOP_K }, (_, k) => ({
      index: (r * 7919 + t * 104_729 + k * 31) % D_SAE,
      act: 30 / (k + 1),
      strength: ((r * 37 + t * 61 + k * 11) % 100) / 100 / (k + 1),
    }))
  const rows = saes.map(({ id, hook, layer = 0 }, r) => ({
    sae: id,
    hook,
    layer,
    cells: Array.from({ length: n_tokens }, (_, t) => (t === 0 ? [] : cellAt(r, t))),
    l0: new Array<number>(n_tokens).fill(64),
    fvu: new Array<number>(n_tokens).fill(0.2),
  }))
  const latents = rows.flatMap(({ sae, hook, cells }) =>
    [...new Set(cells.flat().map(({ index }) => index))].map((index) => ({
      sae,
      hook,
      index,
      label: `“word ${index}” after a comma, in lists of names`,
      label_method: 'lexical' as const,
      density: 0.001,
      max_act: 30,
    })),
  )
  return {
    rank: 'activation',
    tokens: Array.from({ length: n_tokens }, (_, id) => ({
      id,
      piece: id === 0 ? '<bos>' : ` word${id}`,
      special: id === 0,
    })),
    token_loss: Array.from({ length: n_tokens }, (_, t) => (t === 0 ? null : 3)),
    predictions: Array.from({ length: n_tokens }, () => [{ piece: ' the', p: 0.4 }]),
    rows,
    latents,
    left_out: ['1 special token: shown, not read'],
  }
}

/** What the page did since its start, measured inside it. */
type Watch = { ready_ms?: number; longest_ms: number; n_long: number; frames: number[] }
declare const watch: Watch

/** Runs in the page before its own code: when `selector` is there and painted, long tasks, time between frames. */
function watchPage(selector: string): void {
  const seen: Watch = { longest_ms: 0, n_long: 0, frames: [] }
  Object.assign(globalThis, { watch: seen })
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) {
      seen.longest_ms = Math.max(seen.longest_ms, duration)
      seen.n_long++
    }
  }).observe({ type: 'longtask' as 'measure', buffered: true }) // a browser's, which Node's types do not know
  let last = performance.now()
  const page = globalThis as unknown as {
    requestAnimationFrame: (then: () => void) => void
    document: { querySelector: (selector: string) => unknown }
  }
  const frame = () => {
    const now = performance.now()
    seen.frames.push(now - last)
    last = now
    // Found before this frame is painted: it is on the screen when the next begins.
    if (seen.ready_ms === undefined && page.document.querySelector(selector))
      page.requestAnimationFrame(() => {
        seen.ready_ms ??= performance.now()
      })
    page.requestAnimationFrame(frame)
  }
  page.requestAnimationFrame(frame)
}

/** Opens an address, and waits until `selector` is painted; what `prepare` sets up comes before. */
async function open(
  path: string,
  selector: string,
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } })
  const page = await context.newPage()
  await prepare(page)
  await page.addInitScript(watchPage, selector)
  await page.goto(new URL(path, server.url).href)
  // The page's content policy forbids what waitForFunction does; asking from outside does not disturb the watch.
  while (!(await page.evaluate('watch.ready_ms !== undefined'))) await page.waitForTimeout(20)
  return page
}

/** What `act` costs: the longest task and the frames while it runs. */
async function during(page: Page, act: () => Promise<void>): Promise<Watch> {
  await page.waitForTimeout(300)
  await page.evaluate('watch.longest_ms = 0; watch.n_long = 0; watch.frames.length = 0')
  await act()
  await page.waitForTimeout(200)
  return page.evaluate<Watch>('watch')
}

const table: [what: string, figure: string, goal: string][] = []
const ms = (x: number) => `${x.toFixed(0)} ms`
function note(what: string, { frames, longest_ms, n_long }: Watch): void {
  const sorted = frames.toSorted((a, b) => a - b)
  const tasks =
    n_long === 0 ? `none over ${LONG_TASK_MS} ms` : `${n_long}, longest ${ms(longest_ms)}`
  table.push([`${what}: long tasks`, tasks, 'none'])
  const p95 = sorted[Math.floor(0.95 * (sorted.length - 1))] ?? Number.NaN
  const longest = sorted.at(-1) ?? Number.NaN
  table.push([`${what}: frames`, `p95 ${ms(p95)}, longest ${ms(longest)}`, ''])
}

const executablePath = await obtainBrowser()
if (!executablePath) throw new Error('bench/page: there is no Chromium; set CHROMIUM to one')
const folder = await temporaryFolder()
const page_dir = join(folder.path, '.page')
await build({
  configFile: join(import.meta.dirname, '../web/vite.config.ts'),
  logLevel: 'error',
  build: { outDir: page_dir },
})
await runPipeline(await tinyConfig(folder.path))
const server = await startServer({
  workspace: folder.path,
  port: 0,
  database: 'memory://',
  model: { threads: 1 },
  page: page_dir,
})
await server.imported
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
try {
  await firstView()
  await largeGrid()
  await longList()
} finally {
  await browser.close()
  await server.close()
  await folder.remove()
}
const width = Math.max(...table.map(([what]) => what.length))
for (const [what, figure, goal] of table)
  console.log(`${what.padEnd(width)}  ${figure.padEnd(28)}  ${goal}`)

/** The entry view of a small suite, twice: the first time the server opens its model. */
async function firstView(): Promise<void> {
  const cold = await open(FIRST, CELL)
  const cold_ms = (await cold.evaluate<Watch>('watch')).ready_ms!
  await cold.close()
  const scripts = new Set<string>()
  const page = await open(FIRST, CELL, async (blank) => {
    blank.on('response', (response) => {
      const { pathname } = new URL(response.url())
      if (pathname.endsWith('.js')) scripts.add(pathname)
    })
  })
  const { ready_ms } = await page.evaluate<Watch>('watch')
  let bytes = 0
  for (const path of scripts) bytes += gzipSync(await readFile(join(page_dir, path))).length
  table.push(['first view, model closed', ms(cold_ms), ''])
  table.push(['first view, model open', ms(ready_ms!), 'under 1000 ms'])
  table.push([
    'its JavaScript, gzipped',
    `${(bytes / 1000).toFixed(0)} kB in ${scripts.size} files`,
    'under 250 kB',
  ])
  await page.close()
}

/** The microscope at its largest: first paint, scrolling both ways, hovering, moving by keys. */
async function largeGrid(): Promise<void> {
  const answer = JSON.stringify(largeMicroscope())
  // Through a socket as from Hooke's own server: what the browser is handed from outside takes half a second more.
  const answers = createServer((_, response) => {
    response.setHeader('Content-Type', 'application/json').end(answer)
  }).listen(0, '127.0.0.1')
  await once(answers, 'listening')
  const { port } = answers.address() as AddressInfo
  const page = await withLarge('/?site=all&text=large', CELL, async (blank) => {
    const url = `http://127.0.0.1:${port}/`
    await blank.route('**/api/microscope', (route) => route.continue({ url }))
  })
  const { ready_ms, longest_ms } = await page.evaluate<Watch>('watch')
  const name = `${n_tokens} tokens x ${n_layers} layers x ${SITES.length} sites`
  table.push([`${name}: answer`, `${(answer.length / 1e6).toFixed(1)} MB`, ''])
  table.push([`${name}: grid painted`, ms(ready_ms!), ''])
  table.push([`${name}: longest task until then`, ms(longest_ms), ''])
  table.push(['cells in the document', String(await page.locator('[role=grid] td').count()), ''])
  const grid = page.locator('.grid-scroll')
  await grid.hover({ position: { x: 400, y: 200 } })
  const scroll = (x: number, y: number) => async () => {
    for (let i = 0; i < 60; i++) await page.mouse.wheel(x, y)
  }
  note('scrolling down', await during(page, scroll(0, 40)))
  note('scrolling across', await during(page, scroll(250, 0)))
  const box = (await grid.boundingBox())!
  note(
    'hovering',
    await during(page, async () => {
      for (let i = 0; i < 60; i++)
        await page.mouse.move(box.x + 120 + ((i * 53) % (box.width - 200)), box.y + 60 + i * 6)
    }),
  )
  await page.mouse.move(0, 0)
  note(
    'moving by keys',
    await during(page, async () => {
      for (let i = 0; i < 60; i++) await page.keyboard.press(i % 2 ? 'ArrowRight' : 'ArrowDown')
    }),
  )
  await page.close()
  answers.close()
}

/** The list of one dictionary's latents, from its top to its end. */
async function longList(): Promise<void> {
  const page = await withLarge(`/suite?suite=large&sae=${saes[0]!.id}`, '.latent-list .hit')
  note(
    `list of ${n_latents.toLocaleString('en')}, scrolling`,
    await during(page, async () => {
      for (let i = 0; i < 60; i++) await page.mouse.wheel(0, 400)
    }),
  )
  await page.evaluate('scrollTo(0, document.body.scrollHeight)')
  await page.getByText(`layer 0 · ${n_latents - 1}`).waitFor()
  table.push(['rows in the document at its end', String(await page.locator('.hit').count()), ''])
  await page.close()
}

/** A page whose workspace is the large one; what is not answered here the server answers. */
async function withLarge(
  path: string,
  selector: string,
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<Page> {
  const workspace = (await (await fetch(new URL('/api/workspace', server.url))).json()) as Workspace
  const large = { ...workspace, suites: [{ ...workspace.suites[0]!, name: 'large', saes }] }
  const json = (body: string) => ({ contentType: 'application/json', body })
  return open(path, selector, async (page) => {
    await page.route('**/api/workspace', (route) => route.fulfill(json(JSON.stringify(large))))
    await page.route('**/api/suites/large/**', (route) => route.fulfill(json('[]')))
    await page.route('**/api/saes/*/latents?*', (route) => {
      const asked = new URL(route.request().url()).searchParams
      const [offset, limit] = [Number(asked.get('offset')), Number(asked.get('limit'))]
      return route.fulfill(json(JSON.stringify(listPage(offset, limit))))
    })
    await prepare(page)
  })
}

function listPage(offset: number, limit: number): LatentList {
  const { id, hook } = saes[0]!
  const n = Math.max(0, Math.min(limit, n_latents - offset))
  return {
    n_total: n_latents,
    latents: Array.from({ length: n }, (_, i) => ({
      sae: id,
      hook,
      index: offset + i,
      label: `“word ${offset + i}” after a comma`,
      label_method: 'lexical',
      density: 0.001,
      max_act: 12,
      top_tokens: [' word', ' of', ' a', ' list'],
    })),
  }
}
