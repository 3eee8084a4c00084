/**
 * A suite as a static site: the built page, and in files what the API would answer for the views that need no computing. The page
 * finds `data/index.json` (SiteIndex) and asks no server.
 */
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import {
  addressOf,
  type Client,
  createClient,
  type LatentChip,
  type LatentList,
  type LatentView,
  type SiteIndex,
  type SuiteOrigin,
  type Workspace,
} from '../api/index.ts'
import { packageRoot, packageVersion } from '../files/index.ts'
import { readSuiteFile } from '../jobs/index.ts'
import { openWorkspace } from '../server/index.ts'
import { type Database, labelsOf, type StoredLabel, scoresOf, suiteLabels } from '../store/index.ts'
import { CliError } from './errors.ts'
import { SiteFolder } from './siteFiles.ts'
import { databaseOption } from './workspace.ts'

/** Latents a file: a visitor who opens one fetches that many. */
const LATENTS_A_FILE = 100
/** Examples kept of a latent: the strongest, and some of each weaker interval. */
const STRONGEST = 8
const OF_AN_INTERVAL = 2

export type SiteOptions = {
  /** Texts whose microscope goes into the site, beside the suite's sample. */
  readonly texts: readonly string[]
  readonly signal: AbortSignal
  readonly onProgress: (message: string, share: number) => void
  /** Folder of the built page; the package's own by default. */
  readonly page?: string
}

type Writing = SiteOptions & {
  readonly site: SiteFolder
  readonly client: Client
  readonly db: Database
  readonly index: SiteIndex
}

/**
 * Writes a suite's site into a folder, in the place of an earlier one once all of it is there.
 * @returns what was written. @throws CliError where the page is not built, or the folder holds something else; AbortError, and
 * nothing is left of it, where `signal` aborts.
 */
export async function exportSite(
  suite: string,
  out: string,
  options: SiteOptions,
): Promise<{ n_files: number; n_bytes: number }> {
  const folder = resolve(suite)
  const model = (await readSuiteFile(folder))?.model.path
  const page = options.page ?? join(packageRoot(), 'web', 'dist')
  const folders = [dirname(folder), ...(model === undefined ? [] : [dirname(model)]), packageRoot()]
  const site = await SiteFolder.open(out, { page, folders })
  try {
    const open = await openWorkspace({
      workspace: dirname(folder),
      ...databaseOption(),
      any_host: true,
    })
    try {
      await open.imported
      const client = createClient('http://localhost', {
        fetch: (address, init) => open.app.request(address, init),
      })
      const index: SiteIndex = {
        made: new Date().toISOString(),
        version: packageVersion(),
        suite: basename(folder),
        latents_a_file: LATENTS_A_FILE,
        answers: {},
        saes: {},
        texts: [],
      }
      await writeData({ ...options, site, client, db: open.db, index })
    } finally {
      await open.close()
    }
    await site.finish()
    return { n_files: site.n_files, n_bytes: site.n_bytes }
  } catch (error) {
    await site.discard()
    if (!options.signal.aborted) throw error
    const stopped = new Error(
      'stopped; of the site nothing is kept, and an earlier one is as it was',
    )
    stopped.name = 'AbortError'
    throw stopped
  }
}

async function writeData(writing: Writing): Promise<void> {
  const { site, client, index, texts, signal } = writing
  const { suites, sample_text } = await client.workspace({}, { signal })
  const suite = suites.find(({ name }) => name === index.suite)
  if (!suite) throw new CliError(`${index.suite} is no suite of its workspace; is it trained?`)
  for (const text of new Set([...texts, sample_text])) {
    writing.onProgress(`microscope: ${JSON.stringify(text.slice(0, 40))}`, 0)
    await writeText(writing, text)
  }
  await writeSuite(writing)
  await writeLatents(writing, suite)
  // Last, when the model is open: what is known of it is told only then.
  const workspace = await client.workspace({}, { signal })
  index.answers['/api/workspace'] = await site.write('workspace', {
    ...workspace,
    suites: [suite],
    runs: [],
    sample_text: index.texts[0]?.text ?? sample_text,
  } satisfies Workspace)
  await site.writeText('index.json', JSON.stringify(index))
}

/** The microscope of a text, without and with dense latents, and each of its tokens through the layers. */
async function writeText({ site, client, index, signal }: Writing, text: string): Promise<void> {
  const place = `texts/${index.texts.length}`
  const given = { text, suite: index.suite, top_k: 6 }
  const sparse = await client.microscope(given, { signal })
  const dense = await client.microscope({ ...given, max_density: 1 }, { signal })
  const depth = []
  for (const token of sparse.tokens.keys())
    depth.push(await client.depth({ text, suite: index.suite, token }, { signal }))
  index.texts.push({
    text,
    sparse: await site.write(place, sparse),
    dense: await site.write(`${place}-dense`, dense),
    depth: await site.write(`${place}-depth`, depth),
  })
}

/** What is asked with nothing but the suite's name. */
async function writeSuite({ site, client, index, signal }: Writing): Promise<void> {
  const of = { suite: index.suite }
  const stop = { signal }
  const put = async (address: string, name: string, value: unknown) => {
    index.answers[address] = await site.write(`answers/${name}`, value)
  }
  await put(addressOf('runs', {}), 'runs', [])
  await put(addressOf('searchScope', {}), 'searchScope', await client.searchScope({}, stop))
  await put(addressOf('suite', of), 'suite', withoutPaths(await client.suite(of, stop)))
  await put(addressOf('suitePoints', of), 'points', await client.suitePoints(of, stop))
  await put(addressOf('selfTests', of), 'selfTests', await client.selfTests(of, stop))
  const plots = await client.suitePlots(of, stop)
  await put(addressOf('suitePlots', of), 'plots', plots)
  for (const { name } of plots) {
    const asked = { ...of, file: `${name}.svg` } as const
    const picture = await client.suitePlot(asked, stop)
    index.answers[addressOf('suitePlot', asked)] = await site.writeText(
      `plots/${name}.svg`,
      picture,
    )
  }
}

/** Settings name files of the machine that trained; their last part says as much to others. */
function withoutPaths({ settings, ...origin }: SuiteOrigin): SuiteOrigin {
  const bare = (part: string) => (isAbsolute(part) ? basename(part) : part)
  const entries = Object.entries(settings).map(([key, value]) => [
    key,
    typeof value === 'string' ? value.split(', ').map(bare).join(', ') : value,
  ])
  return { ...origin, settings: Object.fromEntries(entries) }
}

/**
 * Of each SAE that is indexed: the list of its latents, and everything about each. Names and labels are read of many latents at
 * once and put in here: asked for one by one they are three quarters of the work.
 */
async function writeLatents(
  { site, client, db, index, signal, onProgress }: Writing,
  { saes }: Workspace['suites'][number],
): Promise<void> {
  const readable = saes.filter(({ state }) => state === 'indexed' || state === 'labelled')
  const chips = new Map<string, LatentChip>()
  for (const [at, { id, d_sae }] of readable.entries()) {
    const list = await wholeList(client, id, d_sae, signal)
    for (const { top_tokens: _, ...chip } of list.latents) chips.set(keyOf(chip), chip)
    await site.write(`saes/${at}/list`, list)
    index.saes[id] = { folder: `data/saes/${at}`, d_sae }
  }
  const labels = new Map<string, StoredLabel[]>()
  for await (const label of suiteLabels(db, index.suite)) {
    const key = keyOf({ sae: label.sae, index: label.latent })
    labels.set(key, [...(labels.get(key) ?? []), label])
  }
  let n_done = 0
  for (const [at, { id, d_sae }] of readable.entries())
    for (let from = 0; from < d_sae; from += LATENTS_A_FILE) {
      const latents: LatentView[] = []
      for (let i = from; i < Math.min(d_sae, from + LATENTS_A_FILE); i++) {
        signal.throwIfAborted()
        const view = await client.latent({ sae: id, index: i, labels: false }, { signal })
        const own = labels.get(keyOf(view)) ?? []
        latents.push({
          ...condensed(view),
          ...chips.get(keyOf(view)),
          neighbours: view.neighbours.map((near) => ({ ...near, ...chips.get(keyOf(near)) })),
          ...(await claimsOf(db, id, i, own)),
        })
      }
      await site.write(`saes/${at}/${from / LATENTS_A_FILE}`, latents)
      n_done += latents.length
      onProgress(`latents: ${n_done} of ${chips.size}`, n_done / chips.size)
    }
}

const keyOf = ({ sae, index }: { sae: string; index: number }): string => `${sae}/${index}`

/** The labels of a latent in force, in the order that they have among several, with their tests. */
async function claimsOf(
  db: Database,
  sae: string,
  latent: number,
  labels: readonly StoredLabel[],
): Promise<Pick<LatentView, 'labels' | 'label_scores'>> {
  if (labels.length === 0) return { labels: [] }
  const isInForce = ({ retired_at }: StoredLabel) => retired_at === undefined
  const sorted =
    labels.length > 1 ? (await labelsOf(db, sae, latent)).filter(isInForce) : [...labels]
  const label_scores = await scoresOf(db, sae, latent)
  return { labels: sorted, ...(label_scores.length === 0 ? {} : { label_scores }) }
}

async function wholeList(
  client: Client,
  sae: string,
  d_sae: number,
  signal: AbortSignal,
): Promise<LatentList> {
  const latents: LatentList['latents'] = []
  const limit = 500
  for (let offset = 0; offset < d_sae; offset += limit)
    latents.push(...(await client.latents({ sae, offset, limit }, { signal })).latents)
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
