/** `hooke compare`, its routes and its page on a small suite: prompts, and a model with a planted change. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from '@hono/zod-openapi'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { obtainBrowser } from '../scripts/browser.mjs'
import { CompareModelsEvent, ModelComparison, PromptComparison } from '../src/api/index.ts'
import { readEvents } from '../src/api/sse.ts'
import { runPipeline } from '../src/jobs/index.ts'
import { loadSae } from '../src/sae/disk.ts'
import { type RunningServer, startServer } from '../src/server/index.ts'
import { hooke } from './commandLine.ts'
import { thimbleCopy } from './plantedModel.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const PROMPTS = [
  'The king rode out. Answer: he',
  'The queen rode out. Let us think: she was the queen. Answer: he',
] as const
const PLANTED = { layer: 4, latent: 5, neuron: 100, strength: 8 }

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
let other: string
/** The same SAEs, said to be trained on the other model. */
const SECOND = 'tiny-other'
beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline(config)
  suite = config.out
  const { layer, latent, neuron, strength } = PLANTED
  const { W_dec, d_in } = await loadSae(
    join(suite, `blocks.${layer}.hook_resid_post`, 'width_64', 'l0_8'),
  )
  const direction = W_dec.slice(latent * d_in, (latent + 1) * d_in)
  other = join(folder.path, '.planted')
  await thimbleCopy(other, { layer, neuron, direction, strength })
  const second = join(folder.path, SECOND)
  await cp(suite, second, { recursive: true })
  const about = JSON.parse(await readFile(join(second, 'suite.json'), 'utf8'))
  about.model.path = other
  await writeFile(join(second, 'suite.json'), JSON.stringify(about))
}, 60_000)
afterAll(() => folder.remove())

describe('hooke compare', () => {
  it('prints what changes between two prompts, by site and by latent', async () => {
    const options = ['--max-density', '1', '--threads', '1']
    const { code, message, printed } = await hooke(
      'compare',
      suite,
      '--prompts',
      ...PROMPTS,
      ...options,
    )
    expect({ code, message }).toEqual({ code: 0, message: '' })
    expect(printed).toMatch(
      /^\d+ tokens are the same in both, 1 are replaced, 0 are in A only, \d+ in B only\.$/m,
    )
    expect(printed).toMatch(/^blocks\.4\.hook_resid_post +0\.\d{3} /m)
    expect(printed).toMatch(/^KL of the next token: \d/m)
    expect(printed).toContain('At the last tokens, from which the next is predicted')
  })

  it('prints everything as JSON, latents with their labels', async () => {
    const options = ['--max-density', '1', '--threads', '1', '--json']
    const { printed } = await hooke('compare', suite, '--prompts', ...PROMPTS, ...options)
    const found = JSON.parse(printed)
    expect(found.a.tokens.map(({ piece }: { piece: string }) => piece).join('')).toContain(
      'The king',
    )
    expect(found.sites.map(({ hook }: { hook: string }) => hook)).toEqual([
      'blocks.1.hook_resid_post',
      'blocks.4.hook_resid_post',
    ])
    expect(found.sites[1].latents[0]).toMatchObject({
      index: expect.any(Number),
      label: expect.any(String),
    })
    expect(found.final.guesses[0].piece).toEqual(expect.any(String))
  })

  it('finds a planted change between two models, and the latent that it writes', async () => {
    const options = ['--tokens', '600', '--splice-tokens', '100', '--threads', '1']
    const { code, message, printed } = await hooke('compare', suite, '--model', other, ...options)
    expect({ code, message }).toEqual({ code: 0, message: '' })
    expect(printed).toContain('The first site that differs is blocks.4.hook_resid_post.')
    expect(printed).toMatch(/^blocks\.1\.hook_resid_post +0\.00 +1\.0000 /m)
    const json = JSON.parse(
      (await hooke('compare', suite, '--model', other, ...options, '--json')).printed,
    )
    expect(json).toMatchObject({ n_tokens: 600, splice_tokens: 100 })
    expect(json.sites[0]).toMatchObject({ distance: 0, latents: [] })
    expect(json.sites[1].latents[0].index).toBe(PLANTED.latent)
  })

  it('says how it is used', async () => {
    const cases = [
      [[], /either --prompts "A" "B" or --model OTHER/],
      [['--prompts', 'one'], /--prompts takes two texts, found 1/],
      [['--model', other, '--text', 'a', '--data', 'b.txt'], /--text or --data, and not both/],
    ] as const
    for (const [args, message] of cases) {
      const found = await hooke('compare', suite, ...args)
      expect(found.code).toBe(2)
      expect(found.message).toMatch(message)
    }
  })
})

const executablePath = await obtainBrowser()
if (!executablePath)
  console.warn('compare.test: no page, as no Chromium is to be had; set CHROMIUM')

describe('served', () => {
  let server: RunningServer
  let browser: Browser
  beforeAll(async () => {
    const page = join(folder.path, '.page')
    if (executablePath) {
      await build({
        configFile: join(import.meta.dirname, '../web/vite.config.ts'),
        logLevel: 'error',
        build: { outDir: page },
      })
      const args = ['--no-sandbox', '--disable-gpu']
      browser = await chromium.launch({ executablePath, args })
    }
    server = await startServer({
      workspace: folder.path,
      port: 0,
      database: 'memory://',
      model: { threads: 1 },
      page,
    })
    await server.imported
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    await server.close()
  })

  const post = (path: string, body: object): Promise<Response> =>
    fetch(new URL(path, server.url), {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })

  it('compares prompts, with labels', async () => {
    const [a, b] = PROMPTS
    const answer = await post('/api/compare/prompts', { a, b, max_density: 1 })
    expect(answer.status).toBe(200)
    const found = PromptComparison.parse(await answer.json())
    expect(found.columns.filter(({ a }) => a === undefined).length).toBeGreaterThan(5)
    for (const { cells, layer } of found.sites) {
      expect(cells).toHaveLength(found.columns.length)
      expect([1, 4]).toContain(layer)
      expect(cells[0]).toBe(null)
    }
    const known = new Set(found.latents.map(({ sae, index }) => `${sae}/${index}`))
    for (const { sae, latents, apart, cells } of found.sites)
      for (const { index } of [...latents, ...apart, ...cells.flatMap((cell) => cell?.top ?? [])])
        expect(known).toContain(`${sae}/${index}`)
    expect(found.latents.some(({ label }) => label !== undefined)).toBe(true)
    expect((await post('/api/compare/prompts', { a })).status).toBe(400)
  })

  async function compare(body: object): Promise<z.infer<typeof CompareModelsEvent>[]> {
    const events = []
    for await (const event of readEvents(await post('/api/compare/models', body)))
      events.push(CompareModelsEvent.parse(event))
    return events
  }

  it('compares models on the suite’s own text, says how far it is, and shows the beginning token by token', async () => {
    const events = await compare({ model: other, n_tokens: 600, splice_tokens: 0 })
    const last = events.at(-1)!
    if (last.type !== 'done') throw new Error(JSON.stringify(last))
    const found = ModelComparison.parse(last.comparison)
    expect(events.slice(0, -1).every(({ type }) => type === 'progress')).toBe(true)
    expect(found.first_changed).toBe('blocks.4.hook_resid_post')
    expect(found.sites[1]!.latents[0]!.index).toBe(PLANTED.latent)
    expect(found.sites[1]!.base).not.toHaveProperty('delta_ce_loss')
    expect(found.shown.columns.every(({ isSame }) => isSame)).toBe(true)
    expect(found.shown.sites[0]!.change).toBe(0)
    // The model that was there is still there.
    expect((await post('/api/microscope', { text: 'The sea.' })).status).toBe(200)
  })

  it('keeps its models while suites of others are looked at, which wait where a third would be open', async () => {
    const third = await thimbleCopy(join(folder.path, '.third'))
    const looks: Promise<Response>[] = []
    const events = []
    const asked = { model: third, n_tokens: 600, splice_tokens: 0, suite: 'tiny' }
    for await (const event of readEvents(await post('/api/compare/models', asked))) {
      events.push(CompareModelsEvent.parse(event))
      for (const suite of ['tiny', SECOND])
        if (looks.length < 2 && events.length > 1)
          looks.push(post('/api/microscope', { text: 'The sea.', suite }))
    }
    expect(looks).toHaveLength(2)
    expect(events.at(-1)).toMatchObject({ type: 'done', comparison: { n_tokens: 600 } })
    expect((await Promise.all(looks)).map(({ status }) => status)).toEqual([200, 200])
  })

  it('says what is wrong with a model that cannot be compared', async () => {
    const missing = await compare({ model: './nowhere', text: 'The sea.' })
    expect(missing.at(-1)).toMatchObject({
      type: 'error',
      error: expect.stringContaining('nowhere'),
    })
  })

  describe.skipIf(!executablePath)('as a page', () => {
    async function open(path: string, width = 1440): Promise<{ page: Page; errors: string[] }> {
      const page = await browser.newPage({ viewport: { width, height: 900 } })
      page.setDefaultTimeout(20_000)
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text())
      })
      await page.goto(new URL(path, server.url).href)
      return { page, errors }
    }
    const strip = (page: Page) => page.locator('.strip')

    it('shows two prompts, lights a latent in the strip, and keeps it all in the address', async () => {
      // So small a dictionary has dense latents only.
      const { page, errors } = await open('/compare?tab=prompts&dense=shown')
      await page.getByRole('heading', { name: 'Compare two prompts' }).waitFor()
      await strip(page).waitFor()
      await page.getByRole('button', { name: 'One word' }).click()
      await page.waitForURL(/a=The\+king/)
      await strip(page).locator('th.replaced').first().waitFor()
      expect(await page.locator('.compare-text .replaced').allInnerTexts()).toContain(' king')
      const hit = page.locator('.compare-latents .hit').first()
      await hit.hover()
      await strip(page).locator('td.lit').first().waitFor()
      await hit.locator('button').click()
      await page.waitForURL(/at=\d+\.\d+&latent=/)
      await page.reload()
      await page.getByRole('button', { name: /^unlock/ }).click()
      await page.waitForURL((url) => !url.search.includes('latent='))
      await page
        .getByRole('textbox', { name: 'Prompt B' })
        .fill('<img src=x onerror="window.harmed=1">')
      await page.getByRole('button', { name: 'Compare', exact: true }).click()
      await page.locator('.compare-text.side-b', { hasText: 'onerror' }).waitFor()
      expect(await page.evaluate("'harmed' in window")).toBe(false)
      expect(errors).toEqual([])
      await page.close()
    })

    it('is moved through by keys alone', async () => {
      const { page, errors } = await open('/compare?tab=prompts&dense=shown')
      await strip(page).waitFor()
      await page.keyboard.press('ArrowLeft')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('ArrowUp')
      await page.waitForURL(/at=\d+\.\d+/)
      await page.keyboard.press('Enter')
      await page.waitForURL(/latent=/)
      await page.keyboard.press('Escape')
      await page.waitForURL((url) => !url.search.includes('latent='))
      expect(errors).toEqual([])
      await page.close()
    })

    it('draws of long texts what is in sight, the place in the address among it', async () => {
      const text = 'The sea was calm and the ship came home. '.repeat(18)
      const asked = new URLSearchParams({ tab: 'prompts', dense: 'shown', a: text, b: `${text}So` })
      const { page, errors } = await open(`/compare?${asked}&at=1.150`, 900)
      await strip(page).locator('td.focused').waitFor()
      const n_columns = Number(await strip(page).getAttribute('aria-colcount'))
      expect(n_columns).toBeGreaterThan(180)
      const heads = strip(page).locator('thead [data-c]')
      expect(await heads.count()).toBeLessThan(n_columns / 2)
      expect(await strip(page).locator('.focused').getAttribute('aria-colindex')).toBe('152')
      await page.keyboard.press('ArrowRight')
      await strip(page).locator('.focused[aria-colindex="153"]').waitFor()
      await page.locator('.compare-text.side-a [data-c="151"].at').waitFor()
      expect(await page.locator('.compare-text .at').count()).toBe(2)
      expect(errors).toEqual([])
      await page.close()
    })

    it('compares models from an address, and finds the planted latent first', async () => {
      const address = `/compare?tab=models&tokens=600&model=${encodeURIComponent(other)}`
      const { page, errors } = await open(address, 390)
      const summary = page.getByRole('region', { name: 'Summary' })
      await summary.getByText('blocks.4.hook_resid_post').waitFor({ timeout: 60_000 })
      const first = page
        .getByRole('region', { name: 'Latents that differ' })
        .locator('.hit')
        .first()
      expect(await first.locator('.place').innerText()).toBe(`layer 4 · ${PLANTED.latent}`)
      await strip(page).waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
      expect(errors).toEqual([])
      await page.close()
    })

    it('says in its place what is wrong with the other model', async () => {
      const { page } = await open('/compare?tab=models&model=.%2Fnowhere')
      await page
        .getByRole('alert')
        .getByText(/nowhere/)
        .waitFor()
      await page.close()
    })
  })
})
