/**
 * Pictures of the page as it is, for docs/screenshots: every view at desktop and phone width, on content chosen by
 * what the workspace holds.
 *
 *   node scripts/screenshots.ts WORKSPACE   serves it, and takes all views of a finished suite; the comparison of its suites
 *                                           where it holds two
 *   node scripts/screenshots.ts URL         of a server whose suite is in training: suite-live.png
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { type SteerEvent, startServer } from '../src/server/index.ts'
import { obtainBrowser } from './browser.mjs'

const OUT = join(import.meta.dirname, '../docs/screenshots')
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } }
/** Tried on every latent that the steering view offers. */
const STRENGTHS = [0.75, 1, 1.5, 2]

async function shoot(page: Page, name: string, at?: string): Promise<void> {
  await page.locator('[aria-busy="true"]').waitFor({ state: 'detached' })
  await page.evaluate('document.fonts.ready')
  await page.mouse.move(0, 0)
  if (at !== undefined) {
    // Below the bar, which stays where it is.
    await page
      .locator(at)
      .evaluate((element: { scrollIntoView(): void }) => element.scrollIntoView())
    await page.evaluate('scrollBy(0, -60)')
    await page.waitForTimeout(300)
  }
  await page.screenshot({ path: join(OUT, `${name}.png`), scale: 'css' })
  console.log(`docs/screenshots/${name}.png`)
}

/** An address of the steering view: the latent and strength whose text gains most of the tokens that the latent raises. */
async function bestSteering(page: Page): Promise<string> {
  await page.goto('/steer')
  await page.locator('.offered button').first().waitFor()
  const best = { address: page.url(), gain: Number.NEGATIVE_INFINITY }
  const n_offered = await page.locator('.offered button').count()
  for (let taken = 0; taken <= n_offered; taken++) {
    // Taking the last one offered puts the one before it back among the others.
    if (taken > 0)
      await page
        .locator('.offered button')
        .nth(taken - 1)
        .click()
    await page.waitForTimeout(500)
    for (const strength of STRENGTHS) {
      const address = new URL(page.url())
      const [latent, mode] = (address.searchParams.get('with') ?? '').split(':')
      address.searchParams.set('with', `${latent}:${mode}:${strength}`)
      const gain = await gainOf(address)
      if (gain > best.gain) Object.assign(best, { address: address.href, gain })
    }
  }
  return best.address
}

/** How many different raised words the steered text holds beyond the default one; nothing where it stammers. */
async function gainOf(address: URL): Promise<number> {
  const asked = address.searchParams
  const [key = '', mode, strength] = (asked.get('with') ?? '').split(':')
  const cut = key.lastIndexOf('/')
  const [sae, latent] = [key.slice(0, cut), Number(key.slice(cut + 1))]
  const at = new URL(`/api/saes/${encodeURIComponent(sae)}/latents/${latent}`, address)
  const { top_logits } = (await (await fetch(at)).json()) as { top_logits: { piece: string }[] }
  const raised = new Set(top_logits.map(({ piece }) => piece.trim().toLowerCase()))
  const answer = await fetch(new URL('/api/steer', address), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({
      prompt: asked.get('prompt'),
      interventions: [{ sae, latent, mode, strength: Number(strength) }],
      max_tokens: Number(asked.get('tokens')),
      temperature: Number(asked.get('temperature')),
      seed: Number(asked.get('seed')),
    }),
  })
  const end = (await answer.text())
    .split('\n')
    .filter((line) => line.startsWith('data:'))
    .map((line) => JSON.parse(line.slice('data:'.length)) as SteerEvent)
    .find(({ type }) => type !== 'token')
  if (end?.type !== 'done') throw new Error(`${address.href}: steering did not end`)
  const words = (text: string) => text.toLowerCase().match(/\p{L}+/gu) ?? []
  const heard = (text: string) => new Set(words(text).filter((word) => raised.has(word))).size
  const variety = (text: string) => new Set(words(text)).size / Math.max(1, words(text).length)
  const stammers = variety(end.steered) < 0.75 * variety(end.default)
  return stammers ? -1 : heard(end.steered) - heard(end.default) + 0.1 * variety(end.steered)
}

/** Every view once. */
async function shootViews(page: Page, steering: string, size: string): Promise<void> {
  await page.goto('/')
  await page.getByRole('grid').locator('tbody bdi').first().waitFor()
  await shoot(page, `microscope-${size}`)

  await page.goto(steering)
  await page.getByRole('button', { name: 'Steer', exact: true }).click()
  await page.getByText(/steered tokens differ/).waitFor()
  await shoot(page, `steer-${size}`)

  await page.locator('.intervention .latent-link').click()
  await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
  await shoot(page, `latent-${size}`)

  await page.goto('/search')
  await page
    .getByRole('button', { name: /^Search for/ })
    .first()
    .click()
  await page.getByText(/ found in /).waitFor()
  await page.locator('#hits .hit').first().waitFor()
  await page.waitForTimeout(500)
  await shoot(page, `search-${size}`)

  await page.goto('/suite')
  await page.locator('.latent-list .hit').first().waitFor()
  await shoot(page, `suite-${size}`)
  await shoot(page, `suite-training-${size}`, 'section.training')
  await page.locator('.plot-place svg').first().waitFor()
  await shoot(page, `suite-plots-${size}`, 'section.plots')

  await page.goto('/compare')
  await page.getByRole('heading', { level: 1 }).waitFor()
  if ((await page.getByRole('checkbox').count()) < 2) return
  await page.locator('.chart polyline').first().waitFor()
  await page.locator('.settings-table').waitFor()
  await shoot(page, `compare-${size}`)
}

const place = process.argv[2]
const executablePath = await obtainBrowser()
if (place === undefined || executablePath === undefined)
  throw new Error('screenshots: name a workspace or the address of a server, and have Chromium')
await mkdir(OUT, { recursive: true })
const live = /^https?:/.test(place)
const server = live ? undefined : await startServer({ workspace: place, port: 0 })
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
const open = (viewport: { width: number; height: number }): Promise<BrowserContext> =>
  browser.newContext({ viewport, baseURL: server?.url ?? place, colorScheme: 'light' })
try {
  await server?.imported
  const desktop = await (await open(SIZES.desktop)).newPage()
  if (live) {
    await desktop.goto('/suite')
    await desktop.locator('.chart polyline').first().waitFor()
    await shoot(desktop, 'suite-live')
  } else {
    const steering = await bestSteering(desktop)
    const phone = await (await open(SIZES.phone)).newPage()
    await shootViews(desktop, steering, 'desktop')
    await shootViews(phone, steering, 'phone')
  }
} finally {
  await browser.close()
  await server?.close()
}
