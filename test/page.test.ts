/** The page in a real browser, on a real suite: every view by mouse, every view by keyboard alone. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe as describeAlways, expect, it } from 'vitest'
import { type Explorer, executablePath, openExplorer } from './explorer.ts'
import { tinyConfig } from './tinySuite.ts'

const SAE = 'tiny~blocks.4.hook_resid_post~width_64~l0_8'
const LATENT = `/latent/${encodeURIComponent(SAE)}/3`
const describe = describeAlways.skipIf(!executablePath)

let explorer: Explorer
const open: Explorer['open'] = (...asked) => explorer.open(...asked)

beforeAll(async () => {
  if (executablePath) explorer = await openExplorer()
}, 180_000)
afterAll(() => explorer?.close())

/** Sets a label as the page does. */
async function label(index: number, text: string): Promise<void> {
  const path = `/api/saes/${encodeURIComponent(SAE)}/latents/${index}/labels`
  const answer = await fetch(new URL(path, explorer.server.url), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ text, author: 'test' }),
  })
  expect(answer.ok).toBe(true)
}

describe('by mouse', () => {
  it('reads a sentence, lights a latent, and leads to its page', async () => {
    // So small a dictionary has dense latents only.
    const { page, errors } = await open('/?dense=shown')
    await page.getByRole('textbox', { name: 'Your sentence' }).fill('The sea was calm at night.')
    await page.getByRole('button', { name: 'Look' }).click()
    await page.waitForURL(/text=The/)
    const grid = page.getByRole('grid')
    await grid.getByText('calm').waitFor()
    expect(await grid.locator('tbody tr').count()).toBe(2)
    const cell = grid.locator('tbody td:has(bdi)').first()
    await cell.hover()
    await grid.locator('td.lit').first().waitFor()
    await cell.click()
    await page.waitForURL(/latent=tiny/)
    await page.getByRole('button', { name: /^unlock/ }).click()
    await page.waitForURL((url) => !url.search.includes('latent='))
    await page
      .getByRole('link', { name: /^Open latent/ })
      .first()
      .click()
    await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('ranks the cells by effect, shows one token over depth, and reads what is left out', async () => {
    const { page, errors } = await open('/?text=The+sea+was+calm&dense=shown')
    const grid = page.getByRole('grid')
    await grid.locator('tbody bdi').first().waitFor()
    // By keys: arrows choose among radio buttons that have the focus, and move over the cells elsewhere.
    await page.getByRole('radio', { name: 'activation' }).focus()
    await page.keyboard.press('ArrowRight')
    await page.waitForURL(/rank=predicted/)
    expect(page.url()).not.toContain('at=')
    await page.getByText(/lowers or raises the predicted next token, full at ±/).waitFor()
    const panel = page.getByRole('complementary', { name: 'The token in focus' })
    await panel.getByText(/^[+−]/).first().waitFor()
    await panel.getByRole('radio', { name: 'depth' }).check({ force: true })
    await page.waitForURL(/panel=depth/)
    await panel.locator('.depth-table tbody').first().waitFor()
    expect(await panel.locator('.depth-table tbody').count()).toBe(7) // the input, then six layers
    await page.getByText(/Left out: 1 special token/).waitFor()
    await page.getByRole('checkbox', { name: 'read special tokens' }).check()
    await page.getByText('Nothing is left out.').waitFor()
    expect(await grid.locator('tbody td[data-c="0"] bdi').count()).toBe(2)
    expect(errors).toEqual([])
    await page.close()
  })

  it('runs a latent’s examples again, and leads along its family', async () => {
    const { page, errors } = await open(LATENT)
    await page.getByRole('button', { name: /^Run its \d+ examples/ }).click()
    const run = page.getByRole('region', { name: 'Its examples run again' })
    await run.getByText(/nats/).first().waitFor()
    await run.getByText(/still fires at \d+ of \d+ peaks/).waitFor()
    const family = page.getByRole('region', { name: 'Nearest latents' })
    await family.locator('.node, p').first().waitFor()
    const nodes = family.locator('.node')
    if ((await nodes.count()) > 1) {
      await nodes.nth(1).focus()
      await page.keyboard.press('Enter')
      await page.waitForURL((url) => !url.pathname.endsWith('/3'))
    }
    expect(errors).toEqual([])
    await page.close()
  })

  it('keeps what was typed before the workspace was there', async () => {
    const page = await explorer.browser.newPage()
    let answer = () => {}
    const held = new Promise<void>((resolve) => {
      answer = resolve
    })
    await page.route('**/api/workspace', async (route) => {
      await held
      await route.continue()
    })
    await page.goto(explorer.server.url)
    const sentence = page.getByRole('textbox', { name: 'Your sentence' })
    await sentence.fill('The sea was calm.')
    const arrived = page.waitForResponse('**/api/microscope')
    answer()
    await arrived
    expect(await sentence.inputValue()).toBe('The sea was calm.')
    await page.close()
  })

  it('keeps an edited label over a reload, and finds it', async () => {
    const { page, errors } = await open(LATENT)
    await page.getByRole('heading', { level: 1 }).getByRole('button').click()
    await page.getByRole('textbox', { name: 'Label' }).fill('words of quillwork')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('heading', { name: 'words of quillwork' }).waitFor()
    await page.reload()
    await page.getByRole('heading', { name: 'words of quillwork' }).waitFor()
    await page.getByRole('link', { name: 'Search', exact: true }).click()
    await page.getByRole('searchbox').fill('quillwork')
    await page.locator('.hit', { hasText: 'words of quillwork' }).getByRole('link').first().click()
    await page.getByRole('heading', { name: 'words of quillwork' }).waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('tests a text of one’s own on a latent', async () => {
    const { page } = await open(LATENT)
    await page.getByLabel('Text to test the latent on').fill('The sea and the moon.')
    await page.getByRole('button', { name: 'Test' }).click()
    await page.getByText(/Fires on \d+ of \d+ tokens|does not fire/).waitFor()
    await page.close()
  })

  it('steers from a latent’s page: both texts stream, and the run has an address', async () => {
    const { page, errors } = await open(LATENT)
    await page.getByRole('link', { name: /^Steer with latent/ }).click()
    const dock = page.getByRole('complementary', { name: 'Steering' })
    await dock.getByRole('spinbutton', { name: 'tokens' }).fill('6')
    await dock.getByRole('button', { name: 'Steer', exact: true }).click()
    await dock.getByText(/steered tokens differ|are the same/).waitFor()
    expect(await dock.locator('.side header .quiet').allInnerTexts()).toEqual([
      expect.stringMatching(/^[1-6] tokens/),
      expect.stringMatching(/^[1-6] tokens/),
    ])
    await dock.getByRole('button', { name: 'Full view' }).click()
    await page.waitForURL(/\/steer\?.*with=tiny/)
    await page.reload()
    await page.getByRole('slider', { name: 'Strength' }).waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('sweeps strengths: a point sets the strength and shows its texts, by mouse and by key', async () => {
    const run = `/steer?with=${encodeURIComponent(`${SAE}/3:add:1:answer`)}&tokens=5&samples=2`
    const { page, errors } = await open(`${run}&instruction=Of+ships.`)
    await page.getByRole('button', { name: 'Steer', exact: true }).click()
    await page.getByText(/steered tokens differ|are the same/).waitFor()
    expect(await page.locator('.side').count()).toBe(3)
    await page.getByRole('slider', { name: 'Token of the steered text' }).press('ArrowRight')
    await page.getByText(/likely when steered, .* by default/).waitFor()
    await page.getByRole('button', { name: 'Sweep strengths' }).click()
    await page.getByText(/^Useful: read by the model/).waitFor()
    await page.getByRole('radio', { name: /^2\.00/ }).click()
    await page.waitForURL(/3:add:2:answer/)
    await page.keyboard.press('ArrowRight')
    await page.waitForURL(/3:add:3:answer/)
    await page.getByText('At 3:').waitFor()
    expect(await page.locator('.sweep-texts li').count()).toBe(2)
    expect(errors).toEqual([])
    await page.close()
  })

  it('takes a file of labels and gives one, and says what is wrong with a bad one', async () => {
    const { page, errors } = await open('/review')
    await page.getByText('Export or import labels').click()
    const form = page.getByRole('form', { name: 'Import labels' })
    const enter = async (...rows: object[]) => {
      const lines = rows.map((row) => JSON.stringify(row)).join('\n')
      const buffer = Buffer.from(gzipSync(lines))
      const file = { name: 'theirs.jsonl.gz', mimeType: 'application/gzip', buffer }
      await form.getByLabel('File of labels').setInputFiles(file)
      await form.getByRole('button', { name: 'Import' }).click()
    }
    const row = { sae: SAE.slice('tiny~'.length), latent: 40, method: 'manual', author: 'eve' }
    await enter({ ...row, text: 'brought along' }, { ...row, text: 'x', latent: 64 })
    await form
      .getByRole('alert')
      .getByText(/1 of 2 lines.*\n\s*line 2: latent is 64, expected 0 to 63/)
      .waitFor()
    expect(errors.splice(0)).toEqual([expect.stringContaining('400')])
    await enter({ ...row, text: 'brought along' })
    await form.getByText('theirs.jsonl.gz: 1 lines read, 1 labels and 0 votes entered.').waitFor()
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Neuronpedia’s form' }).click()
    const text = await readFile(await (await saved).path(), 'utf8')
    expect(text).toContain('"description":"brought along"')
    expect(errors).toEqual([])
    await page.close()
  })

  it('tells nothing of a label before a blind guess, and counts no second one', async () => {
    const page = await explorer.browser.newPage()
    const answers: string[] = []
    page.on('response', (response) => {
      if (!new URL(response.url()).pathname.includes('/latents/')) return
      // One that is under way when the page closes has no text.
      response.text().then(
        (text) => answers.push(text),
        () => undefined,
      )
    })
    const said = () => answers.filter((text) => text.includes('"lexical"'))
    await page.goto(new URL('/review?blind=on&method=lexical', explorer.server.url).href)
    const guess = page.getByRole('textbox', { name: 'Your guess' })
    await page.getByText('drawn at random').waitFor()
    await guess.fill('ships')
    // This one, and those that come next.
    await expect.poll(() => answers.length).toBe(3)
    expect(said()).toEqual([])
    expect(await page.locator('.label').count()).toBe(0)
    await guess.press('Enter')
    await page.getByText('How does your guess compare with this label?').waitFor()
    expect(await page.locator('.review-desk').innerText()).not.toMatch(/hooke lexical|score/)
    expect(said()).toHaveLength(1)
    await page.keyboard.press('3')
    await page.keyboard.press('a')
    const row = page.getByRole('row', { name: /hooke lexical/ })
    await row.getByRole('cell', { name: '1', exact: true }).first().waitFor()
    await page.keyboard.press('Escape')
    await page.keyboard.press('u')
    await page.getByText('asked for, so not blind').waitFor()
    await row.waitFor({ state: 'detached' })
    await page.close()
  })

  it('shows the metrics of every dictionary, and a definition on a press', async () => {
    const { page, errors } = await open('/suite')
    const rows = page.locator('.suite-table tbody tr')
    await rows.first().waitFor()
    expect(await rows.count()).toBe(2)
    await page.getByRole('button', { name: 'FVU' }).first().click()
    await page.getByRole('tooltip').getByText('perfect reconstruction').waitFor()
    await page.locator('p').getByText('150 held-out tokens').waitFor()
    await rows.first().getByRole('link').click()
    await page.locator('.latent-list .hit').first().waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('draws how a suite trained, one quantity or all, and reads every value at a step', async () => {
    const { page, errors } = await open('/suite?suite=tiny')
    const charts = page.locator('.chart')
    await charts.first().waitFor()
    const n_all = await charts.count()
    expect(n_all).toBeGreaterThanOrEqual(5)
    await charts.first().locator('.chart-area').hover()
    const readout = page.locator('.readout')
    await readout.getByText(/^\d steps/).waitFor()
    const heads = await readout.locator('thead th').allInnerTexts()
    expect(heads.slice(0, 4)).toEqual(['layer', 'FVU', 'L0', 'dead'])
    expect(await readout.locator('tbody th').allInnerTexts()).toEqual(['1', '4'])
    await page.getByRole('radio', { name: 'L0' }).check({ force: true })
    await page.waitForURL(/show=l0/)
    expect(await charts.count()).toBe(1)
    await page.getByRole('radio', { name: 'all' }).check({ force: true })
    await charts.nth(n_all - 1).waitFor()
    expect(errors).toEqual([])
    await page.close()
  })

  it('shows the plots of a suite in its own colours, each to be saved', async () => {
    const { page, errors } = await open('/suite?suite=tiny')
    const plots = page.locator('.plot')
    await plots.first().locator('svg[role="img"]').waitFor()
    expect(await plots.count()).toBeGreaterThanOrEqual(2)
    expect(await page.locator('.plot-place').locator('style, script').count()).toBe(0)
    const saved = page.waitForEvent('download')
    await plots
      .first()
      .getByRole('link', { name: /^Save as SVG/ })
      .click()
    expect((await saved).suggestedFilename()).toMatch(/^tiny-[a-z]+\.svg$/)
    expect(errors).toEqual([])
    await page.close()
  })

  it('compares two trainings: curves, metrics with their differences, settings that differ', async () => {
    const { page, errors } = await open('/compare')
    await page.getByRole('heading', { name: 'Compare trainings' }).waitFor()
    for (const name of ['tiny', 'tiny2'])
      expect(await page.getByRole('checkbox', { name, exact: true }).isChecked()).toBe(true)
    const charts = page.locator('.chart')
    await charts.first().waitFor()
    expect(await charts.locator('figcaption').allInnerTexts()).toEqual(['layer 1', 'layer 4'])
    expect(await charts.first().locator('polyline').count()).toBe(2)
    await page.getByRole('combobox', { name: 'Over' }).selectOption('tokens')
    await page.waitForURL(/along=tokens/)
    await charts
      .first()
      .getByText(/tokens$/)
      .waitFor()
    await page.getByRole('combobox', { name: 'Site' }).selectOption({ label: 'layer 4' })
    await page.waitForURL(/site=/)

    const settings = page.getByRole('region', { name: 'Settings' }).locator('tbody tr')
    expect(await settings.allInnerTexts()).toEqual([
      expect.stringMatching(/^l0\s+\d+\s+\d+$/),
      expect.stringMatching(/^seed\s+\d+\s+\d+$/),
    ])
    const row = page.locator('.compare-table tbody tr', { hasText: 'layer 4' })
    const numbers = (text: string) =>
      (text.replaceAll('−', '-').match(/[+-]?\d+(\.\d+)?/g) ?? []).map(Number)
    const [first, second, by] = numbers(
      (await row.locator('td').allInnerTexts()).slice(0, 2).join(' '),
    )
    expect(second! - first!).toBeCloseTo(by!, 0)

    const address = page.url()
    await page.getByRole('checkbox', { name: 'tiny2' }).uncheck()
    await page.waitForURL((url) => !url.search.includes('tiny2'))
    expect(await page.locator('.compare-table thead .suite-column').count()).toBeLessThan(6)
    await page.goto(address)
    await charts.first().waitFor()
    expect(await page.getByRole('combobox', { name: 'Over' }).inputValue()).toBe('tokens')
    expect(errors).toEqual([])
    await page.close()
  })

  it('pauses a run, lets it go on and stops it, and its curves grow meanwhile', async () => {
    const config = await tinyConfig(explorer.folder, 'unfinished')
    const id = await explorer.server.jobs.enqueue('train', { ...config, n_tokens: 4_000_000 })
    const { page, errors } = await open('/suite?suite=unfinished')
    const run = page.getByRole('region', { name: 'Run' })
    const drawn = () =>
      page.locator('.chart polyline').first().getAttribute('points', { timeout: 60_000 })
    const before = await drawn()
    await run.getByRole('button', { name: 'Pause' }).click()
    await run.getByText('paused', { exact: true }).waitFor()
    await page
      .getByRole('banner')
      .getByText(/^paused at/)
      .waitFor()
    const held = await drawn()
    await page.waitForTimeout(500)
    expect(await drawn()).toBe(held)
    await run.getByRole('button', { name: 'Continue' }).click()
    await run.getByText('running', { exact: true }).waitFor()
    await expect.poll(drawn, { timeout: 30_000 }).not.toBe(held)
    expect(held!.length).toBeGreaterThanOrEqual(before!.length)
    await page.keyboard.press('p')
    await run.getByText('paused', { exact: true }).waitFor()
    await run.getByRole('button', { name: 'Stop' }).click()
    await run.getByText('stopped', { exact: true }).waitFor()
    expect((await explorer.server.jobs.settled(id)).state).toBe('stopped')
    await run.getByRole('button', { name: 'Continue' }).waitFor()
    expect(errors).toEqual([])
    await page.close()
  }, 120_000)
})

describe('by keyboard alone', () => {
  it('moves in the grid, locks, unlocks and opens', async () => {
    const { page } = await open('/?dense=shown')
    await page.getByRole('grid').waitFor()
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowDown')
    await page.waitForURL(/at=\d+\.\d+/)
    for (let i = 0; i < 8; i++) {
      await page.keyboard.press('Enter')
      if (await page.getByRole('button', { name: /^unlock/ }).isVisible()) break
      await page.keyboard.press('ArrowLeft')
    }
    await page.waitForURL(/latent=/)
    await page.keyboard.press('Escape')
    await page.waitForURL((url) => !url.search.includes('latent='))
    await page.keyboard.press('o')
    await page.getByRole('heading', { name: 'Strongest examples' }).waitFor()
    await page.close()
  })

  it('reads the curves step by step, in words too', async () => {
    const { page } = await open('/suite?suite=tiny')
    const fvu = page.getByRole('slider', { name: /^FVU/ })
    await fvu.focus()
    expect(await fvu.getAttribute('aria-valuetext')).toMatch(/^8 steps: 1 0\.\d+, 4 0\.\d+$/)
    await page.keyboard.press('Home')
    expect(await fvu.getAttribute('aria-valuenow')).toBe('1')
    await page.keyboard.press('ArrowRight')
    expect(await fvu.getAttribute('aria-valuenow')).toBe('2')
    await page.locator('.readout').getByText('2 steps').waitFor()
    await page.keyboard.press('Escape')
    await page.locator('.readout').waitFor({ state: 'detached' })
    await page.close()
  })

  it('goes from latent to latent, writes a label and takes it back', async () => {
    const { page } = await open(LATENT)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.keyboard.press('j')
    await page.waitForURL(/\/4$/)
    await page.keyboard.press('k')
    await page.waitForURL(/\/3$/)
    await page.keyboard.press('j')
    await page.waitForURL(/\/4$/)
    await page.getByText('layer 4 · 4').first().waitFor()
    await page.keyboard.press('e')
    await page.getByRole('textbox', { name: 'Label' }).waitFor()
    await page.keyboard.type('typed by keys')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'typed by keys' }).waitFor()
    await page.getByRole('button', { name: 'undo' }).press('Enter')
    await page.getByRole('heading', { name: 'typed by keys' }).waitFor({ state: 'detached' })
    await page.close()
  })

  it('searches, opens the second hit, docks the steering and runs it, and asks for help', async () => {
    const { page } = await open('/suite')
    await page.getByRole('heading', { level: 1, name: 'tiny' }).waitFor()
    await page.keyboard.press('/')
    await page.waitForURL(/\/search/)
    await page.getByRole('searchbox').waitFor()
    await label(10, 'keyword ferry')
    await label(11, 'keyword ferry')
    await page.keyboard.type('keyword ferry')
    await page.locator('.hit:nth-child(2)', { hasText: 'keyword ferry' }).waitFor()
    await page.getByText(/^2 found/).waitFor()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/latent\/.*\/1[01]/)
    await page.getByRole('heading', { name: 'keyword ferry' }).waitFor()
    await page.keyboard.press('s')
    const prompt = page.getByRole('textbox', { name: 'Prompt' })
    await page.getByRole('spinbutton', { name: 'tokens' }).fill('5')
    await prompt.press('Enter')
    await page.getByText(/steered tokens differ|are the same/).waitFor()
    await prompt.press('Escape')
    await page.keyboard.press('?')
    await page.getByRole('dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await page.keyboard.press('g')
    await page.keyboard.press('u')
    await page.waitForURL(/\/suite/)
    await page.close()
  })
})

describe('whatever is in the data', () => {
  it('shows labels and tokens as text, never as markup', async () => {
    const hostile = '<img src=x onerror="window.harmed=1"><script>window.harmed=1</script>'
    await label(20, hostile)
    const { page, errors } = await open(`/latent/${encodeURIComponent(SAE)}/20`)
    await page.getByRole('heading', { name: hostile }).waitFor()
    await page.goto(new URL(`/?text=${encodeURIComponent(hostile)}`, explorer.server.url).href)
    await page.getByRole('grid').waitFor()
    expect(await page.evaluate("'harmed' in window")).toBe(false)
    expect(errors).toEqual([])
    await page.close()
  })

  it('takes nothing but shapes and text from a picture', async () => {
    const page = await explorer.browser.newPage()
    await page.route('**/plots/*.svg', (route) =>
      route.fulfill({
        contentType: 'image/svg+xml',
        body: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" onload="window.harmed=1">
          <script>window.harmed=1</script><foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>
          <a href="javascript:window.harmed=1"><path d="M0,0h9"/></a><image href="https://elsewhere.example/x.png"/>
          <rect width="9" height="9" fill="url(https://elsewhere.example/#a)" style="fill:red"/><text>sea</text></svg>`,
      }),
    )
    await page.goto(new URL('/suite?suite=tiny', explorer.server.url).href)
    const picture = page.locator('.plot-place svg').first()
    await picture.getByText('sea').waitFor()
    const inside = `[...document.querySelector('.plot-place svg').children].map((e) => e.outerHTML)`
    expect(await page.evaluate(inside)).toEqual([
      '<rect width="9" height="9"></rect>',
      '<text>sea</text>',
    ])
    expect(await picture.getAttribute('onload')).toBe(null)
    expect(await page.evaluate("'harmed' in window")).toBe(false)
    await page.close()
  })

  it('shows the self-test as a badge with its cause, in the suite and on a latent’s page, by keyboard too', async () => {
    const sae = join(explorer.folder, 'tiny/blocks.4.hook_resid_post/width_64/l0_8')
    const found = {
      ...{ badge: 'red', hook_name: 'blocks.4.hook_resid_post', l0: 43.2, claimed_l0: 8 },
      ...{ n_tokens: 321, n_excluded: 2, notes: [], absent: {}, model: 'thimble-5m' },
      ...{ model_hash: 'aa', model_weights: 'q8', version: '9.9.9' },
      causes: [{ kind: 'scale', says: 'fits better with half', l0: 9, fvu: 0.3, n_tokens: 99 }],
    }
    await writeFile(join(sae, 'self_test.json'), JSON.stringify(found))
    const { page, errors } = await open('/suite?suite=tiny')
    const row = page.getByRole('row', { name: /^layer 4/ })
    const badge = row.getByRole('button', { name: 'self-test: wrong' })
    await badge.focus()
    await page.keyboard.press('Enter')
    expect(await row.getByRole('tooltip').textContent()).toContain('claimed 8.00')
    await page.keyboard.press('Escape')
    expect(await row.getByRole('tooltip').count()).toBe(0)
    const findings = page.getByRole('list', { name: 'Dictionaries that are not as claimed' })
    expect(await findings.textContent()).toContain('layer 4 It fits better with half.')
    await page.goto(new URL(LATENT, explorer.server.url).href)
    await page.getByRole('button', { name: 'self-test: wrong' }).click()
    expect(await page.getByRole('tooltip').textContent()).toContain('On 321 tokens')
    expect(errors).toEqual([])
    await page.close()
    await rm(join(sae, 'self_test.json'))
  })

  it('says an error in its place, in the server’s words', async () => {
    const { page } = await open(`/latent/${encodeURIComponent(SAE)}/9999`)
    await page.getByRole('alert').waitFor()
    expect(await page.getByRole('alert').textContent()).toMatch(/64|9999/)
    await page.close()
  })
})
