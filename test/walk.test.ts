/**
 * A walk through every view of the explorer, as a reader takes it: by mouse, by keyboard alone, in either theme and width with
 * axe, and how few clicks or keys lie between the first page and each thing it is for.
 */
import type { Locator, Page } from 'playwright-core'
import { afterAll, beforeAll, describe as describeAlways, expect, it } from 'vitest'
import {
  DESKTOP,
  type Explorer,
  executablePath,
  openExplorer,
  PHONE,
  seriousFaults,
} from './explorer.ts'

const SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'
const LATENT = `/latent/${encodeURIComponent(SAE)}/3`
/** So small a dictionary has dense latents only. */
const FIRST = '/?dense=shown'
const describe = describeAlways.skipIf(!executablePath)

let explorer: Explorer
beforeAll(async () => {
  if (executablePath) explorer = await openExplorer()
}, 180_000)
afterAll(() => explorer?.close())

/** Views by their names in the bar, and what is there once they are. */
const arrived: Readonly<Record<string, (page: Page) => Locator>> = {
  Microscope: (page) => page.getByRole('grid').locator('tbody tr').first(),
  Search: (page) => page.getByRole('searchbox').first(),
  Steer: (page) => page.getByRole('textbox', { name: 'Prompt', exact: true }),
  Compare: (page) => page.getByRole('heading', { level: 1, name: /^Compare ./ }),
  Review: (page) => page.getByRole('textbox', { name: 'Your guess' }),
  Suite: (page) => page.locator('.suite-table tbody tr').first(),
  Learn: (page) => page.getByRole('heading', { name: /^Your latent/ }),
}

/** Nothing is still to come, so that what is looked at is the view and not its waiting. */
async function settled(page: Page): Promise<void> {
  await expect.poll(() => page.locator('[aria-busy="true"]').count(), { timeout: 20_000 }).toBe(0)
}

/** What has the focus, as it is named. */
const focused = (page: Page): Promise<string> =>
  page.evaluate(`(({ tagName, ariaLabel, textContent, labels }) =>
    tagName + ' ' + (ariaLabel ?? labels?.[0]?.textContent ?? textContent).trim())(document.activeElement)`)

/** Presses Tab until what has the focus is so named. */
async function tabTo(page: Page, name: RegExp): Promise<void> {
  const passed: string[] = []
  for (let i = 0; i < 80; i++) {
    await page.keyboard.press('Tab')
    const at = await focused(page)
    if (name.test(at)) return
    passed.push(at.slice(0, 40))
  }
  throw new Error(`tabTo: ${name} is not among ${passed.join(' | ')}`)
}

/** Opens the palette, types, takes the first of what is listed with such words. */
async function goTo(page: Page, text: string, words: RegExp): Promise<void> {
  await page.keyboard.press('ControlOrMeta+k')
  await page.getByRole('combobox', { name: 'Go to' }).waitFor()
  await page.keyboard.type(text)
  const option = page.getByRole('option', { name: words }).first()
  await option.waitFor()
  for (let i = 0; (await option.getAttribute('aria-selected')) !== 'true'; i++) {
    if (i > 30) throw new Error(`goTo: ↓ does not reach ${words}`)
    await page.keyboard.press('ArrowDown')
  }
  await page.keyboard.press('Enter')
}

describe('by mouse', () => {
  it('through every view of the bar, each with its title and its heading', async () => {
    const { page, errors } = await explorer.open(LATENT)
    for (const [name, there] of Object.entries(arrived)) {
      await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name }).click()
      await there(page).waitFor()
      expect(await page.title()).toBe(`${name} – Hooke`)
      // The way to a view leaves the focus in it, not on the link behind.
      expect(await page.evaluate("document.activeElement.closest('#view') !== null")).toBe(true)
      await settled(page)
      expect(await page.getByRole('heading', { level: 1 }).count(), name).toBe(1)
    }
    expect(errors).toEqual([])
    await page.close()
  })

  it('looks, opens a latent, tests it, steers, and keeps what it found as a label', async () => {
    const { page, errors } = await explorer.open(FIRST)
    await page.getByRole('grid').locator('tbody td:has(bdi)').first().click()
    await page
      .getByRole('link', { name: /^Open latent/ })
      .first()
      .click()
    await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
    expect(await page.title()).toMatch(/^layer \d · \d+ – Hooke$/)
    await page.getByLabel('Text to test the latent on').fill('The sea and the moon.')
    await page.getByRole('button', { name: 'Test', exact: true }).click()
    await page.getByText(/Fires on \d+ of \d+ tokens|does not fire/).waitFor()
    await settled(page)
    expect(await seriousFaults(page)).toEqual([])
    await page.getByRole('heading', { level: 1 }).getByRole('button').click()
    await page.getByRole('textbox', { name: 'Label' }).fill('found on a walk')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'found on a walk' }).waitFor()
    await page.getByRole('button', { name: /^Go to/ }).click()
    await page.getByRole('combobox', { name: 'Go to' }).fill('walk')
    await page.getByRole('option', { name: /found on a walk/ }).waitFor()
    expect(await seriousFaults(page)).toEqual([])
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Keys and help' }).click()
    await page.getByRole('dialog').getByText('go to Learn').waitFor()
    expect(await seriousFaults(page)).toEqual([])
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click()
    await page.getByRole('button', { name: /light and dark/ }).click()
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
    expect(errors).toEqual([])
    await page.close()
  })

  it('learns: looks, guesses, is proved right or wrong, steers; remembered, and begun anew', async () => {
    const { page, errors } = await explorer.open('/learn')
    const lesson = page.getByRole('region', { name: /^Lesson on/ })
    await lesson.getByRole('button', { name: 'I have an idea' }).click()
    await lesson.getByLabel(/^My guess/).fill('nothing that I could name')
    await lesson.getByRole('button', { name: 'That is my guess' }).click()
    const onwards = lesson.getByRole('button', { name: 'Go on and see the label' })
    expect(await onwards.isDisabled()).toBe(true)
    await lesson.getByLabel('A sentence').fill('The sea was calm at night, and the ship lay still.')
    await lesson.getByRole('radio', { name: 'stays silent' }).check({ force: true })
    await lesson.getByRole('button', { name: 'Try it' }).click()
    await lesson.getByText(/^1 try, [01] against the guess$/).waitFor()
    await page.reload()
    await lesson.getByText(/^1 try/).waitFor()
    await lesson.getByRole('button', { name: 'skip this' }).click()
    await lesson.getByText('your guess', { exact: true }).waitFor()
    await lesson.getByRole('link', { name: 'Steer with it' }).click()
    await page.getByRole('complementary', { name: 'Steering' }).waitFor()
    await page.keyboard.press('Escape')
    await lesson.getByRole('radio', { name: 'no', exact: true }).check({ force: true })
    await lesson.getByText('That is the whole craft').waitFor()
    await settled(page)
    expect(await seriousFaults(page)).toEqual([])
    await page.getByText('One latent finished').waitFor()
    await page.getByRole('button', { name: 'forget all and start over' }).click()
    await lesson.getByRole('button', { name: 'I have an idea' }).waitFor()
    expect(await page.evaluate("localStorage.getItem('hooke.learn')")).toBe('{"finished":[]}')
    expect(errors).toEqual([])
    await page.close()
  })
})

describe('by keyboard alone', () => {
  it('past the bar, through every view by g and a letter, and back by the palette', async () => {
    const { page, errors } = await explorer.open(FIRST)
    await arrived.Microscope!(page).waitFor()
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('A Skip to the view')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('view')
    await page.keyboard.press('?')
    const keys = page.getByRole('dialog').locator('dt')
    await keys.first().waitFor()
    const letters = (await keys.allInnerTexts())
      .map((text) => text.replaceAll(/\s/g, ''))
      .filter((text) => /^g[a-z]$/.test(text))
    await page.keyboard.press('Escape')
    expect(letters).toHaveLength(Object.keys(arrived).length)
    for (const [i, name] of Object.keys(arrived).entries()) {
      await page.keyboard.press('Escape')
      await page.evaluate('document.activeElement.blur()')
      await page.keyboard.press('g')
      await page.keyboard.press(letters[i]![1]!)
      await expect.poll(() => page.title()).toBe(`${name} – Hooke`)
      await arrived[name]!(page).waitFor()
    }
    await goTo(page, 'micro', /^Microscope/)
    await expect.poll(() => page.title()).toBe('Microscope – Hooke')
    await goTo(page, '4/7', /^layer 4 · 7 tiny, 64 wide, L0 8/)
    await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
    await goTo(page, 'suite tiny2', /^tiny2/)
    await page.waitForURL(/suite=tiny2/)
    await goTo(page, 'the moon', /^Look at “the moon”/)
    await page.waitForURL(/text=the\+moon/)
    expect(errors).toEqual([])
    await page.close()
  })

  it('writes where it goes: search, steering and its answer, two prompts, a label, a review', async () => {
    const { page, errors } = await explorer.open(FIRST)
    await arrived.Microscope!(page).waitFor()
    await page.keyboard.press('/')
    await page.locator('[type="search"]:focus').waitFor()
    await page.keyboard.type('the')
    await page.locator('#hits .hit').first().waitFor()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
    await page.keyboard.press('e')
    await page.getByRole('textbox', { name: 'Label' }).waitFor()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('written without a mouse')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'written without a mouse' }).waitFor()
    await page.keyboard.press('s')
    await page.getByRole('complementary', { name: 'Steering' }).waitFor()
    await tabTo(page, /^BUTTON Full view/)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/steer/)
    await tabTo(page, /^BUTTON Steer$/)
    await page.keyboard.press('Enter')
    await page.getByText(/steered tokens differ|are the same/).waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('c')
    await page.waitForURL(/\/compare/)
    await tabTo(page, /^A Prompts/)
    await page.keyboard.press('Enter')
    await tabTo(page, /^TEXTAREA Prompt A/)
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('The king rode home.')
    await page.keyboard.press('Enter')
    await page.waitForURL(/a=The\+king/)
    await page.locator('.comparison').waitFor()
    await settled(page)
    await page.evaluate('document.activeElement.blur()')
    await page.keyboard.press('g')
    await page.keyboard.press('r')
    await arrived.Review!(page).waitFor()
    await page.keyboard.press('i')
    await page.keyboard.type('a guess')
    await page.keyboard.press('Enter')
    await page.getByRole('textbox', { name: 'Your guess' }).waitFor({ state: 'detached' })
    await page.keyboard.press('x')
    await page.getByText(/1 done/).waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('learns, from the heading on', async () => {
    const { page } = await explorer.open('/learn')
    await arrived.Learn!(page).waitFor()
    await tabTo(page, /^BUTTON I have an idea/)
    await page.keyboard.press('Enter')
    expect(await focused(page)).toMatch(/^H3 2Guess/)
    await page.keyboard.press('Tab')
    await page.keyboard.type('a guess by keys')
    await page.keyboard.press('Enter')
    await page.locator('h3:focus', { hasText: 'Try to falsify' }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.type('The moon rose.')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Space')
    await tabTo(page, /^BUTTON Try it/)
    await page.keyboard.press('Enter')
    await page.getByText(/^1 try/).waitFor()
    await page.close()
  })
})

describe('under three clicks or keys from the first page', () => {
  /** What is typed as the reader's own text, and the Enter that ends it, are no steps. */
  async function steps(
    does: (page: Page, step: (take: Promise<void>) => Promise<void>) => Promise<void>,
  ) {
    await page.goto(new URL(FIRST, explorer.server.url).href)
    await arrived.Microscope!(page).waitFor()
    let n = 0
    await does(page, (take) => {
      n++
      return take
    })
    return n
  }
  let page: Page
  beforeAll(async () => {
    if (explorer) page = (await explorer.open(FIRST)).page
  })
  afterAll(() => page?.close())
  const bar = (page: Page, name: string) =>
    page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name })
  const searched = async (page: Page) => {
    await page.locator('[type="search"]:focus').waitFor()
    await page.keyboard.type('the')
    await page.locator('#hits .hit').first().waitFor()
  }
  const steered = (page: Page) => page.getByText(/steered tokens differ|are the same/).waitFor()
  const compared = (page: Page) => page.locator('.chart polyline, .comparison').first().waitFor()
  const labelled = async (page: Page) => {
    await page.getByRole('textbox', { name: 'Label' }).waitFor()
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('few steps')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'few steps' }).waitFor()
  }

  it.each([
    [
      'search',
      1,
      async (page, step) => {
        await step(bar(page, 'Search').click())
        await searched(page)
      },
    ],
    [
      'steer',
      2,
      async (page, step) => {
        await step(
          page
            .getByRole('link', { name: /^Steer with latent/ })
            .first()
            .click(),
        )
        await step(
          page
            .getByRole('complementary', { name: 'Steering' })
            .getByRole('button', { name: 'Steer', exact: true })
            .click(),
        )
        await steered(page)
      },
    ],
    [
      'compare',
      1,
      async (page, step) => {
        await step(bar(page, 'Compare').click())
        await compared(page)
      },
    ],
    [
      'label',
      2,
      async (page, step) => {
        await step(
          page
            .getByRole('link', { name: /^Open latent/ })
            .first()
            .click(),
        )
        await step(page.getByRole('heading', { level: 1 }).getByRole('button').click())
        await labelled(page)
      },
    ],
  ] satisfies [string, number, Parameters<typeof steps>[0]][])(
    '%s by mouse: %i',
    async (_, n, does) => {
      expect(await steps(does)).toBe(n)
    },
  )

  it.each([
    [
      'search',
      1,
      async (page, step) => {
        await step(page.keyboard.press('/'))
        await searched(page)
      },
    ],
    [
      'steer',
      2,
      async (page, step) => {
        await step(page.keyboard.press('s'))
        await page.locator('button:focus', { hasText: 'Steer' }).waitFor()
        await step(page.keyboard.press('Enter'))
        await steered(page)
      },
    ],
    [
      'compare',
      2,
      async (page, step) => {
        await step(page.keyboard.press('g'))
        await step(page.keyboard.press('c'))
        await compared(page)
      },
    ],
    [
      'label',
      2,
      async (page, step) => {
        await step(page.keyboard.press('o'))
        await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
        await step(page.keyboard.press('e'))
        await labelled(page)
      },
    ],
  ] satisfies [string, number, Parameters<typeof steps>[0]][])(
    '%s by keys: %i',
    async (_, n, does) => {
      expect(await steps(does)).toBe(n)
    },
  )
})

describe('axe finds no serious fault, and nothing is wider than the page', () => {
  const paths = [
    '/',
    FIRST,
    LATENT,
    '/search',
    '/search?q=the',
    '/search?kind=text&q=The%20sea%20was%20calm',
    '/steer',
    `/steer?with=${encodeURIComponent(`${SAE}/3:add:1`)}`,
    '/compare?tab=suites',
    '/compare?tab=prompts',
    '/compare?tab=models',
    '/review',
    '/suite',
    '/learn',
    '/nowhere',
  ]
  let page: Page
  let errors: string[]
  beforeAll(async () => {
    if (explorer) ({ page, errors } = await explorer.open('/nowhere', { viewport: PHONE }))
    await page?.emulateMedia({ reducedMotion: 'reduce' })
  })
  afterAll(() => page?.close())

  it.each(paths)('in both themes, on a desk and a phone: %s', async (path) => {
    await page.goto(new URL(path, explorer.server.url).href)
    await page.getByRole('heading', { level: 1 }).waitFor({ state: 'attached' })
    for (const size of [PHONE, DESKTOP]) {
      await page.setViewportSize(size)
      await page.emulateMedia({ colorScheme: 'light' })
      await settled(page)
      expect(await seriousFaults(page), `${size.width} px, light`).toEqual([])
      const width = Number(await page.evaluate('document.documentElement.scrollWidth'))
      expect(width).toBeLessThanOrEqual(size.width)
      // A theme changes colours and nothing else.
      await page.emulateMedia({ colorScheme: 'dark' })
      expect(await seriousFaults(page, 'color-contrast'), `${size.width} px, dark`).toEqual([])
    }
    expect(errors.splice(0)).toEqual([])
  })
})
