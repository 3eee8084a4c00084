/**
 * Whatever a label, a token, a generated text, a run's message or an error says, the page shows it as text in its place. The server's
 * answers are spoilt on their way to a real browser: each piece of free text in them carries markup, marks that turn the direction
 * of writing, a NUL and a word without a break.
 */
import type { Page, Route } from 'playwright-core'
import { afterAll, beforeAll, describe as describeAlways, expect, it } from 'vitest'
import type { SweepEvent } from '../src/api/index.ts'
import { DESKTOP, type Explorer, executablePath, openExplorer, PHONE } from './explorer.ts'

const SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'
const HOSTILE = `<img src=x onerror=window.harmed=1><script>window.harmed=1</script>\u202e\u2067\u0000${'w'.repeat(40)}`
/** What others wrote, or a model did: not Hooke's own sentences. */
const FREE = new Set(
  'label text piece pieces snippet author evidence message error default steered prompted texts top_tokens sample_text guess causes notes reason'.split(
    ' ',
  ),
)
const describe = describeAlways.skipIf(!executablePath)

let explorer: Explorer
beforeAll(async () => {
  if (executablePath) explorer = await openExplorer()
}, 180_000)
afterAll(() => explorer?.close())

/** A value with every free text in it spoilt. */
function spoilt(value: unknown, isFree = false): unknown {
  if (typeof value === 'string') return isFree ? `${value}${HOSTILE}` : value
  if (Array.isArray(value)) return value.map((item) => spoilt(item, isFree))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, spoilt(child, FREE.has(key))]),
  )
}

/** A sweep as the server tells of it; a real one takes long. */
const MEASURED = { n_tokens: 8, perplexity: 9, repetition: 0, acts: [[1, 2]], texts: ['a', 'b'] }
const SWEEP: SweepEvent[] = [
  { type: 'default', ...MEASURED },
  { type: 'point', strength: 0, kl: 0, verdict: 'no_effect', ...MEASURED },
  { type: 'point', strength: 2, kl: 0.5, verdict: 'useful', ...MEASURED },
  { type: 'done', bands: [{ from: 2, to: 2 }], rule: 'useful is what is useful' },
]
const eventsOf = (events: readonly object[]): string =>
  events.map((event) => `data: ${JSON.stringify(spoilt(event))}\n\n`).join('')

/** Answers, once or as events, spoilt; how many is told, so that no test passes for want of them. */
async function spoil(page: Page): Promise<() => number> {
  let n = 0
  await page.route('**/api/**', async (route: Route) => {
    const address = route.request().url()
    if (address.endsWith('/api/events')) return route.continue()
    if (address.endsWith('/api/steer/sweep'))
      return route.fulfill({ contentType: 'text/event-stream', body: eventsOf(SWEEP) })
    const response = await route.fetch()
    const text = await response.text()
    const type = response.headers()['content-type'] ?? ''
    n++
    const one = (json: string) => JSON.stringify(spoilt(JSON.parse(json)))
    const body = type.includes('json')
      ? one(text)
      : type.includes('event-stream')
        ? text.replaceAll(/^data: (.*)$/gm, (_, json: string) => `data: ${one(json)}`)
        : text
    return route.fulfill({ response, body })
  })
  return () => n
}

/** Elements that a text became, and texts that turn what stands beside them in the same line. */
const FAULTS = `(() => {
  const made = [...document.body.querySelectorAll('img[src="x"], script:not([src])')].map((e) => 'became ' + e.localName)
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const turned = []
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (!/[\\u202e\\u2067]/.test(node.data)) continue
    let at = node.parentElement
    while (getComputedStyle(at).display === 'inline' && !/isolate|plaintext/.test(getComputedStyle(at).unicodeBidi)) at = at.parentElement
    const isAlone = at.textContent.trim() === node.data.trim()
    if (getComputedStyle(at).display !== 'inline' && !isAlone && at.localName !== 'textarea')
      turned.push('turns ' + at.localName + '.' + at.className + ' in ' + at.parentElement.localName + '.' + at.parentElement.className)
  }
  const isOut = (e) => e.getBoundingClientRect().right > innerWidth + 1
  const wide = document.documentElement.scrollWidth > innerWidth
    ? [...document.querySelectorAll('main, main *')].filter((e) => isOut(e) && ![...e.children].some(isOut)).slice(0, 3)
      .map((e) => 'sticks out: ' + e.localName + '.' + e.className + ' in ' + e.parentElement.localName + '.' + e.parentElement.className)
    : []
  return [...new Set([...made, ...turned, ...wide, ...('harmed' in window ? ['ran'] : [])])]
})()`

const settled = (page: Page) =>
  expect.poll(() => page.locator('[aria-busy="true"]').count(), { timeout: 20_000 }).toBe(0)
const press = (page: Page, name: string | RegExp) =>
  page.getByRole('button', { name, exact: true }).first().click()
const steered = `/steer?with=${encodeURIComponent(`${SAE}/3:add:1`)}`

describe('hostile text stays text, and in its line', () => {
  it.each<[string, string, (page: Page) => Promise<unknown>]>([
    ['the microscope', '/?dense=shown', (page) => page.locator('tbody td bdi').first().click()],
    [
      'a latent and a test of it',
      `/latent/${encodeURIComponent(SAE)}/3`,
      async (page) => {
        await page.getByLabel('Text to test the latent on').fill('The sea and the moon.')
        await press(page, 'Test')
        await page.getByText(/Fires on \d+ of \d+ tokens|does not fire/).waitFor()
      },
    ],
    ['search by words', '/search?q=the', (page) => page.locator('.hit').first().waitFor()],
    [
      'search by a text',
      '/search?kind=text&q=The%20sea%20was%20calm&dense=shown',
      (page) => page.getByRole('main').getByText('onerror').first().waitFor(),
    ],
    [
      'steering',
      steered,
      async (page) => {
        await press(page, 'Steer')
        await page.getByText(/steered tokens differ|are the same/).waitFor()
      },
    ],
    [
      'a sweep',
      steered,
      async (page) => {
        await press(page, /^Sweep/)
        await page.getByText('useful is what is useful').waitFor()
      },
    ],
    [
      'a comparison of prompts',
      '/compare?tab=prompts&a=The+king+rode+home.&b=The+king+sailed+home.',
      (page) => page.locator('.comparison').waitFor(),
    ],
    [
      'the review',
      '/review',
      async (page) => {
        await page.getByRole('textbox', { name: 'Your guess' }).fill('a guess')
        await page.keyboard.press('Enter')
        await page.getByRole('textbox', { name: 'Your guess' }).waitFor({ state: 'detached' })
      },
    ],
    ['the suite', '/suite', (page) => page.locator('.suite-table tbody tr').first().waitFor()],
    [
      'the lesson',
      '/learn',
      (page) => page.getByRole('heading', { name: /^Your latent/ }).waitFor(),
    ],
    [
      'an error',
      `/latent/${encodeURIComponent(SAE)}/9999`,
      (page) => page.getByRole('alert').getByText('onerror').waitFor(),
    ],
  ])('in %s', async (_, path, does) => {
    const page = await explorer.browser.newPage({ viewport: DESKTOP })
    page.setDefaultTimeout(20_000)
    const said: string[] = []
    page.on('pageerror', (error) => said.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 404/.test(message.text()))
        said.push(message.text())
    })
    page.on('dialog', (dialog) => said.push(`asked: ${dialog.message()}`))
    const n_spoilt = await spoil(page)
    await page.goto(new URL(path, explorer.server.url).href)
    await does(page)
    await settled(page)
    expect(await page.evaluate(FAULTS)).toEqual([])
    await page.setViewportSize(PHONE)
    expect(await page.evaluate(FAULTS), 'on a phone').toEqual([])
    expect(n_spoilt()).toBeGreaterThan(0)
    expect(said).toEqual([])
    await page.unrouteAll({ behavior: 'ignoreErrors' })
    await page.close()
  })
})
