/** The explorer on a workspace of two tiny suites, in a real browser, for the tests of the page. */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import { type Browser, chromium, type Page } from 'playwright-core'
import { build } from 'vite'
import { obtainBrowser } from '../scripts/browser.mjs'
import { runPipeline } from '../src/jobs/index.ts'
import { type RunningServer, startServer } from '../src/server/index.ts'
import { madeOnce } from './madeOnce.ts'
import { TINY_OPTIONS } from './tinyServer.ts'
import { tinyConfig, tinyWorkspace } from './tinySuite.ts'

/** Undefined where there is none to be had. */
export const executablePath = await obtainBrowser()
if (!executablePath) console.warn('explorer: its tests are skipped, no Chromium; set CHROMIUM')

/** The width at which phones are tested. */
export const PHONE = { width: 390, height: 844 }
/** And desks. */
export const DESKTOP = { width: 1440, height: 900 }

/** A running explorer; `folder` is its workspace. */
export type Explorer = {
  readonly folder: string
  readonly server: RunningServer
  readonly browser: Browser
  /** A page whose every uncaught error and console error is collected. */
  readonly open: (
    path: string,
    options?: { viewport?: { width: number; height: number } },
  ) => Promise<{ page: Page; errors: string[] }>
  readonly close: () => Promise<void>
}

/** The folder of the built page. */
export const builtPage = (): Promise<string> =>
  madeOnce('page', async (outDir) => {
    // As it ships; the tests' own setting would give React with its checks, which is slower.
    process.env.NODE_ENV = 'production'
    await build({
      configFile: join(import.meta.dirname, '../web/vite.config.ts'),
      logLevel: 'error',
      build: { outDir, emptyOutDir: false },
    })
  })

/** Serves the suites `tiny` (with everything) and `tiny2` (trained and measured only). */
export async function openExplorer(): Promise<Explorer> {
  const folder = await tinyWorkspace()
  const second = await madeOnce('tiny2', async (path) => {
    const config = { ...(await tinyConfig(path, 'tiny2')), l0: [5], seed: 8 }
    await runPipeline(config, { stages: ['capture', 'train', 'evaluate'] })
  })
  await cp(join(second, 'tiny2'), join(folder.path, 'tiny2'), { recursive: true })
  const page = await builtPage()
  const server = await startServer({ workspace: folder.path, ...TINY_OPTIONS, page })
  await server.imported
  const browser = await chromium.launch({
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ['--no-sandbox', '--disable-gpu'],
  })
  return {
    folder: folder.path,
    server,
    browser,
    open: async (path, options = {}) => {
      const page = await browser.newPage({ viewport: options.viewport ?? DESKTOP })
      page.setDefaultTimeout(20_000)
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text())
      })
      await page.goto(new URL(path, server.url).href)
      return { page, errors }
    },
    close: async () => {
      await browser.close()
      await server.close()
      await folder.remove()
    },
  }
}

type Violation = {
  id: string
  impact: string
  nodes: { target: string[]; any: { message: string }[] }[]
}

/**
 * What axe finds serious or critical on the page as it stands, a line a fault: rule, place, reason.
 * @param rules only these; all of them where none is named.
 */
export async function seriousFaults(page: Page, ...rules: string[]): Promise<string[]> {
  // Half a megabyte of source: a page that has it is not sent it again.
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(`(() => {${axe.source}})()`)
  const asked = { resultTypes: ['violations'], ...(rules.length > 0 ? { runOnly: rules } : {}) }
  const found = (await page.evaluate(
    `axe.run(document, ${JSON.stringify(asked)}).then(({ violations }) => violations)`,
  )) as Violation[]
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ target, any }) => `${id}: ${target.join(' ')}: ${any[0]?.message ?? ''}`),
    )
}
