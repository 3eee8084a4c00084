/**
 * Pictures of the page as it is, for docs/screenshots: every view at desktop and phone width, light and dark, on content chosen
 * by what the workspace holds. WebP, drawn by the browser that took them.
 *
 *   node scripts/screenshots.ts WORKSPACE [PAGE]   serves it (with a built page other than web/dist), and takes all views of a finished suite; the comparison of its suites
 *                                           where it holds two
 *   node scripts/screenshots.ts URL         of a server whose suite is in training: suite-live
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type SteerEvent, startServer } from '../src/server/index.ts'
import { obtainBrowser } from './browser.mjs'

const OUT = join(import.meta.dirname, '../docs/screenshots')
const SIZES = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } }
/** Tried on the latents that the steering view offers. */
const STRENGTHS = [0.75, 1, 1.5, 2]
const MOST_OFFERED = 4
const QUALITY = 0.86

/** Takes a picture of what is in sight; `at` is put below the bar first. */
async function shoot(page: Page, name: string, at?: string): Promise<void> {
  const busy = page.locator('[aria-busy="true"]')
  while ((await busy.count()) > 0) await page.waitForTimeout(100)
  await page.evaluate('document.fonts.ready')
  await page.mouse.move(0, 0)
  if (at !== undefined) {
    // Below the bar, which stays where it is.
    await page
      .locator(at)
      .evaluate((element: { scrollIntoView(): void }) => element.scrollIntoView())
    await page.evaluate('scrollBy(0, -60)')
  }
  await page.waitForTimeout(300)
  const png = await page.screenshot({ scale: 'css' })
  await writeFile(join(OUT, `${name}.webp`), await toWebp(page, png))
  console.log(`docs/screenshots/${name}.webp`)
}

/** The same picture in about a third of the bytes. A page of its own: the explorer's policy lets no data in. */
async function toWebp(page: Page, png: Buffer): Promise<Buffer> {
  const desk = await page.context().newPage()
  const base64 = await desk.evaluate(`(async () => {
    const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (c) => c.charCodeAt(0))
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }))
    const canvas = new OffscreenCanvas(picture.width, picture.height)
    canvas.getContext('2d').drawImage(picture, 0, 0)
    const blob = await canvas.convertToBlob({ type: 'image/webp', quality: ${QUALITY} })
    const url = await new Promise((resolve) => {
      const reader = new FileReader()
      reader.onload = () => resolve(reader.result)
      reader.readAsDataURL(blob)
    })
    return url.slice(url.indexOf(',') + 1)
  })()`)
  await desk.close()
  return Buffer.from(String(base64), 'base64')
}

/** An address of the steering view: the latent and strength whose text gains most of the tokens that the latent raises. */
async function bestSteering(page: Page): Promise<string> {
  await page.goto('/steer')
  await page.locator('.offered button').first().waitFor()
  const best = { address: page.url(), gain: Number.NEGATIVE_INFINITY }
  const n_offered = Math.min(MOST_OFFERED, await page.locator('.offered button').count())
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

/** Every view once; `style` is size and theme as they stand in the names. */
async function shootViews(page: Page, steering: string, style: string): Promise<void> {
  await page.goto('/')
  await page.getByRole('grid').locator('tbody bdi').first().waitFor()
  await shoot(page, `microscope-${style}`)

  await page.keyboard.press('ControlOrMeta+k')
  await page.keyboard.type('mo')
  await page.getByRole('option').nth(5).waitFor()
  await page.waitForTimeout(500)
  await shoot(page, `palette-${style}`)

  await page.goto(steering)
  await page.getByRole('button', { name: 'Steer', exact: true }).click()
  await page.getByText(/steered tokens differ/).waitFor()
  await shoot(page, `steer-${style}`)

  await page.locator('.intervention .latent-link').click()
  await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
  await shoot(page, `latent-${style}`)

  await page.goto('/search')
  await page
    .getByRole('button', { name: /^Search for/ })
    .first()
    .click()
  await page.locator('#hits .hit').first().waitFor()
  await page.waitForTimeout(500)
  await shoot(page, `search-${style}`)

  await page.goto('/compare?tab=prompts')
  await page.locator('.comparison').waitFor()
  await shoot(page, `compare-${style}`)

  await page.goto('/review')
  await page.getByRole('textbox', { name: 'Your guess' }).waitFor()
  await shoot(page, `review-${style}`)

  await page.goto('/suite')
  await page.locator('.latent-list .hit').first().waitFor()
  await shoot(page, `suite-${style}`)

  await page.goto('/learn')
  await page.getByRole('button', { name: 'I have an idea' }).waitFor()
  await shoot(page, `learn-${style}`)
}

/** What lies further down or is for two suites: once a size, in the light. */
async function shootMore(page: Page, size: string): Promise<void> {
  await page.goto('/suite')
  await page.locator('.plot-place svg').first().waitFor()
  await shoot(page, `suite-training-${size}`, 'section.training')
  await shoot(page, `suite-plots-${size}`, 'section.plots')
  await page.goto('/compare?tab=suites')
  await page.getByRole('heading', { level: 1 }).waitFor()
  if ((await page.getByRole('checkbox').count()) < 2) return
  await page.locator('.chart polyline').first().waitFor()
  await page.locator('.settings-table').waitFor()
  await shoot(page, `compare-trainings-${size}`)
}

const [, , place, built] = process.argv
const executablePath = await obtainBrowser()
if (place === undefined || executablePath === undefined)
  throw new Error('screenshots: name a workspace or the address of a server, and have Chromium')
await mkdir(OUT, { recursive: true })
const live = /^https?:/.test(place)
const server = live
  ? undefined
  : await startServer({
      workspace: place,
      port: 0,
      ...(built === undefined ? {} : { page: built }),
    })
const browser: Browser = await chromium.launch({
  executablePath,
  args: ['--no-sandbox', '--disable-gpu'],
})
const open = async (size: keyof typeof SIZES, colorScheme: 'light' | 'dark'): Promise<Page> => {
  const baseURL = server?.url ?? place
  const context = await browser.newContext({ viewport: SIZES[size], baseURL, colorScheme })
  return context.newPage()
}
try {
  await server?.imported
  const first = await open('desktop', 'light')
  if (live) {
    await first.goto('/suite')
    await first.locator('.chart polyline').first().waitFor()
    await shoot(first, 'suite-live')
  } else {
    const steering = await bestSteering(first)
    for (const size of ['desktop', 'phone'] as const) {
      for (const theme of ['light', 'dark'] as const) {
        const page = await open(size, theme)
        await shootViews(page, steering, theme === 'light' ? size : `${size}-dark`)
        if (theme === 'light') await shootMore(page, size)
        await page.context().close()
      }
    }
  }
} finally {
  await browser.close()
  await server?.close()
}
