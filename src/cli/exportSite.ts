/**
 * A suite as a static site: the built page, and in files what the API would answer for the views that need no computing. The page
 * finds `data/index.json` (SiteIndex) and asks no server.
 */
import { cp, readFile } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import {
  type Client,
  createClient,
  type LatentView,
  operations,
  type SiteIndex,
} from '../api/index.ts'
import {
  makeFolder,
  packageRoot,
  packageVersion,
  pathExists,
  removePath,
  writeFileAtomic,
} from '../files/index.ts'
import { openWorkspace } from '../server/index.ts'
import { CliError } from './errors.ts'

/** Latents a file: a visitor who opens one fetches that many. */
const LATENTS_A_FILE = 100
/** Examples kept of a latent: the strongest, and some of each weaker interval. */
const STRONGEST = 8
const OF_AN_INTERVAL = 2

/** As the server's, but for what a page cannot say of itself: who may frame it. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types hooke-svg"

export type SiteOptions = {
  /** Texts whose microscope goes into the site, beside the suite's sample. */
  readonly texts: readonly string[]
  readonly signal: AbortSignal
  readonly onProgress: (message: string, share: number) => void
  /** Folder of the built page; the package's own by default. */
  readonly page?: string
}

/**
 * Writes a suite's site into a folder, which it makes or empties of an earlier site.
 * @returns what was written. @throws CliError where the page is not built, or the folder holds something else.
 */
export async function exportSite(
  suite: string,
  out: string,
  options: SiteOptions,
): Promise<{ n_files: number; n_bytes: number }> {
  const page = options.page ?? join(packageRoot(), 'web', 'dist')
  const index = join(page, 'index.html')
  if (!(await pathExists(index)))
    throw new CliError(`${index} is not there: build the page first (npm run build:web).`)
  if ((await pathExists(out)) && !(await pathExists(join(out, 'data', 'index.json'))))
    throw new CliError(`${out} is there and holds no site of Hooke. Give a new folder.`)
  const workspace = dirname(resolve(suite))
  const open = await openWorkspace({ workspace, any_host: true })
  try {
    await open.imported
    await removePath(out)
    await makeFolder(out)
    await cp(page, out, { recursive: true })
    await writeFileAtomic(join(out, 'index.html'), renderIndex(await readFile(index, 'utf8')))
    const client = createClient('http://localhost', {
      fetch: (address, init) => open.app.request(address, init),
    })
    const files = new SiteFiles(join(out, 'data'), workspace)
    const ask = (address: string) => open.app.request(address, { signal: options.signal })
    await writeData(files, client, ask, basename(resolve(suite)), options)
    return { n_files: files.n_files, n_bytes: files.n_bytes }
  } finally {
    await open.close()
  }
}

/** The page's entry with addresses relative to itself, its policy, and the word that there is no server. */
export function renderIndex(html: string): string {
  const head = `<meta http-equiv="Content-Security-Policy" content="${POLICY}" />
    <meta name="hooke-site" content="data/index.json" />`
  return html
    .replaceAll(/(href|src)="\//g, '$1="./')
    .replace('<meta charset="utf-8" />', `<meta charset="utf-8" />\n    ${head}`)
}

/** Writes JSON below one folder, without what is nobody's business: where on this machine the workspace lies. */
class SiteFiles {
  n_files = 0
  n_bytes = 0
  readonly #folder: string
  readonly #private: string

  constructor(folder: string, workspace: string) {
    this.#folder = folder
    this.#private = JSON.stringify(`${workspace}/`).slice(1, -1)
  }

  async write(name: string, value: unknown): Promise<string> {
    return this.writeText(name, JSON.stringify(value, toFivePlaces))
  }

  async writeText(name: string, text: string): Promise<string> {
    const content = text.replaceAll(this.#private, '')
    const path = join(this.#folder, name)
    await makeFolder(dirname(path))
    await writeFileAtomic(path, content)
    this.n_files++
    this.n_bytes += Buffer.byteLength(content)
    return `data/${name}`
  }
}

async function writeData(
  files: SiteFiles,
  client: Client,
  ask: (address: string) => Response | Promise<Response>,
  name: string,
  { texts, signal, onProgress }: SiteOptions,
): Promise<void> {
  const workspace = await client.workspace()
  const suite = workspace.suites.find((suite) => suite.name === name)
  if (!suite) throw new CliError(`${name} is no suite of its workspace; is it trained?`)
  const index: SiteIndex = {
    made: new Date().toISOString(),
    version: packageVersion(),
    suite: name,
    latents_a_file: LATENTS_A_FILE,
    answers: {},
    saes: {},
    texts: [],
  }
  await writeAnswers(files, ask, name, index)
  const shown = { ...workspace, suites: [suite], runs: [] }
  for (const text of new Set([...texts, workspace.sample_text])) {
    const place = `texts/${index.texts.length}`
    const given = { text, suite: name, top_k: 6 }
    const sparse = await files.write(`${place}.json`, await client.microscope(given, { signal }))
    const dense = await client.microscope({ ...given, max_density: 1 }, { signal })
    index.texts.push({ text, sparse, dense: await files.write(`${place}-dense.json`, dense) })
  }
  const sample_text = index.texts[0]?.text ?? workspace.sample_text
  index.answers['/api/workspace'] = await files.write('workspace.json', { ...shown, sample_text })

  const readable = suite.saes.filter(({ state }) => state === 'indexed' || state === 'labelled')
  const n_total = readable.reduce((sum, { d_sae }) => sum + d_sae, 0)
  let n_done = 0
  for (const [at, { id, d_sae }] of readable.entries()) {
    const folder = `saes/${at}`
    index.saes[id] = { folder: `data/${folder}`, d_sae }
    await files.write(`${folder}/list.json`, await wholeList(client, id, d_sae, signal))
    for (let from = 0; from < d_sae; from += LATENTS_A_FILE) {
      signal.throwIfAborted()
      const views: LatentView[] = []
      for (let i = from; i < Math.min(d_sae, from + LATENTS_A_FILE); i++)
        views.push(condensed(await client.latent({ sae: id, index: i }, { signal })))
      await files.write(`${folder}/${from / LATENTS_A_FILE}.json`, views)
      n_done += views.length
      onProgress(`latents: ${n_done} of ${n_total}`, n_done / n_total)
    }
  }
  await files.write('index.json', index)
}

/** What is asked with nothing but the suite's name: found among the API's operations, so that a new one is in the site too. */
async function writeAnswers(
  files: SiteFiles,
  ask: (address: string) => Response | Promise<Response>,
  suite: string,
  index: SiteIndex,
): Promise<void> {
  const encoded = encodeURIComponent(suite)
  for (const [operation, route] of Object.entries(operations)) {
    const [method, template] = route.split(' ') as [string, string]
    const address = template.replace('{suite}', encoded)
    const isPlain = method === 'GET' && !address.includes('{')
    if (!isPlain || operation === 'events' || operation === 'workspace') continue
    const answer = await ask(address)
    if (!answer.ok) continue
    const value = operation === 'runs' ? '[]' : await answer.text()
    index.answers[address] = await files.writeText(
      `answers/${operation}.json`,
      publicSettings(value),
    )
  }
  const plots = `/api/suites/${encoded}/plots`
  const answer = await ask(plots)
  for (const { name } of answer.ok ? ((await answer.json()) as { name: string }[]) : []) {
    const picture = await ask(`${plots}/${name}.svg`)
    if (picture.ok)
      index.answers[`${plots}/${name}.svg`] = await files.writeText(
        `plots/${name}.svg`,
        await picture.text(),
      )
  }
}

/** Settings name files of the machine that trained; their last part says as much to others. */
function publicSettings(text: string): string {
  if (!text.startsWith('{') || !text.includes('"settings"')) return text
  const value = JSON.parse(text) as { settings: Record<string, unknown> }
  const settings = Object.entries(value.settings).map(([key, setting]) => [
    key,
    typeof setting === 'string'
      ? setting
          .split(', ')
          .map((part) => (isAbsolute(part) ? basename(part) : part))
          .join(', ')
      : setting,
  ])
  return JSON.stringify({ ...value, settings: Object.fromEntries(settings) })
}

async function wholeList(client: Client, sae: string, d_sae: number, signal: AbortSignal) {
  const latents = []
  const limit = 500
  for (let offset = 0; offset < d_sae; offset += limit) {
    const page = await client.latents({ sae, offset, limit }, { signal })
    latents.push(...page.latents)
  }
  return { n_total: latents.length, latents }
}

/** A latent with fewer examples. */
function condensed(view: LatentView): LatentView {
  const kept = new Map<number, number>()
  const examples = view.examples.filter(({ interval }) => {
    const n = (kept.get(interval) ?? 0) + 1
    kept.set(interval, n)
    return n <= (interval === 0 ? STRONGEST : OF_AN_INTERVAL)
  })
  return { ...view, examples }
}

/** More digits than anybody reads are a sixth of what a visitor fetches. */
const toFivePlaces = (_key: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
