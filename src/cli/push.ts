/** `hooke push`: a suite becomes a repository on the Hub, with a model card. */
import { basename, isAbsolute, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { PushFile, PushProgress } from '../hub/index.ts'
import type { SuiteFile } from '../jobs/index.ts'
import { CliError } from './errors.ts'
import { type CardSae, renderModelCard } from './modelCard.ts'
import type { Context } from './options.ts'
import { openProgress, renderTable } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

type Options = { private?: boolean; license?: string; dryRun?: boolean; json?: boolean }

const EXAMPLES = `
Examples:
  hooke push suites/mine ada/gemma-2-2b-saes --license apache-2.0 --dry-run
  HF_TOKEN=hf_... hooke push suites/mine ada/gemma-2-2b-saes --private`

/** What is published of a suite, besides suite.json and the card. */
const OF_SUITE = ['points.jsonl', 'pieces.json']
const OF_SAE = [
  'cfg.json',
  'sae_weights.safetensors',
  'metrics.json',
  'self_test.json',
  'latents.safetensors',
  'labels.json',
]

/** Of cfg.json, which was read in full when the suite was listed. */
const Kind = z.object({ architecture: z.string() })

export function addPushCommand(program: Command, { signal }: Context): void {
  program
    .command('push')
    .summary('publish a suite on the Hugging Face Hub')
    .description(
      "Makes the repository where there is none, writes a model card with what was measured, and sends what the Hub does not hold yet; run again after a break, it goes on. The token in HF_TOKEN must be allowed to write. Paths of this machine in suite.json are left out. A README.md in the suite's folder is sent as it is instead of the card.",
    )
    .argument('<suite>', 'folder of the suite')
    .argument('<id>', 'owner/name on the Hub')
    .option('--private', 'make the repository private')
    .option('--license <name>', 'licence in the model card, e.g. apache-2.0')
    .option('--dry-run', 'print what would be sent and stop')
    .option('--json', 'print the outcome as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (suite: string, id: string, options: Options) => {
      const { hubSettings, parseHubAddress, planPush, pushFiles } = await import('../hub/index.ts')
      const address = parseHubAddress(id)
      if (address === undefined || address.path !== undefined || address.revision !== undefined)
        throw new CliError(`push: "${id}" is no repository, expected owner/name.`)
      const settings = hubSettings()
      const files = await filesOf(resolve(suite), id, options.license)
      const line = openProgress()
      const asked = {
        name: id,
        files,
        title: `Publish ${basename(resolve(suite))}`,
        isPrivate: options.private === true,
        settings,
        signal,
        onProgress: (progress: PushProgress) => line.update(...renderProgress(id, progress)),
      }
      try {
        if (options.dryRun) {
          const plan = await planPush(asked)
          line.clear()
          if (options.json) console.log(JSON.stringify(plan))
          else console.log(renderPlan(id, plan))
          return
        }
        const { commit } = await pushFiles(asked)
        line.clear()
        const url = `${settings.endpoint}/${id}`
        if (options.json) console.log(JSON.stringify({ url, commit }))
        else console.log(commit === undefined ? `${url} holds all of it already` : url)
      } finally {
        line.clear()
      }
    })
}

async function filesOf(
  suite: string,
  id: string,
  license: string | undefined,
): Promise<PushFile[]> {
  const { listFolder, pathExists, readJson, readText } = await import('../files/index.ts')
  const { readSuiteFile } = await import('../jobs/index.ts')
  const { readMetrics } = await import('../sae/disk.ts')
  const entries = await suiteEntries(suite)
  const file = await readSuiteFile(suite)
  const own: PushFile[] = []
  const take = async (path: string) => {
    if (await pathExists(join(suite, path))) own.push({ path, from: join(suite, path) })
  }
  for (const name of OF_SUITE) await take(name)
  for (const name of (await listFolder(join(suite, 'plots'))).files) await take(`plots/${name}`)
  const saes: CardSae[] = []
  for (const entry of entries) {
    const folder = entry.path.slice(suite.length + 1).replaceAll('\\', '/')
    const { architecture } = Kind.parse(await readJson(join(entry.path, 'cfg.json')))
    saes.push({ entry, folder, architecture, metrics: await readMetrics(entry.path) })
    for (const name of OF_SAE) await take(`${folder}/${name}`)
  }
  const readme = join(suite, 'README.md')
  const card = (await pathExists(readme))
    ? await readText(readme)
    : renderModelCard({
        id,
        title: basename(suite),
        model: file?.model.name ?? 'an unnamed model',
        base_model: await baseModel(file),
        license,
        saes,
        version: file?.version ?? 'unknown',
      })
  const manifest = file && { path: 'suite.json', text: renderManifest(file) }
  return [{ path: 'README.md', text: card }, ...(manifest ? [manifest] : []), ...own]
}

/** The model's id on the Hub, if it was opened by one or lies in the cache. */
async function baseModel(file: SuiteFile | undefined): Promise<string | undefined> {
  const { parseHubAddress } = await import('../hub/index.ts')
  if (file === undefined) return undefined
  return [file.model.path, file.model.name]
    .filter((name) => !isAbsolute(name))
    .map((name) => parseHubAddress(name)?.name)
    .find((name) => name !== undefined)
}

/** Where files lay on this machine is nobody else's business, and of no use to them. */
function renderManifest(file: SuiteFile): string {
  const bare = (path: string) => (isAbsolute(path) ? basename(path) : path)
  const { pipeline } = file
  const published = {
    ...file,
    model: { ...file.model, path: bare(file.model.path) },
    ...(pipeline === undefined
      ? {}
      : {
          pipeline: {
            ...pipeline,
            model: bare(pipeline.model),
            out: bare(pipeline.out),
            data: pipeline.data.map(bare),
            ...(pipeline.eval_data && { eval_data: pipeline.eval_data.map(bare) }),
            ...(pipeline.index_data && { index_data: pipeline.index_data.map(bare) }),
          },
        }),
  }
  return `${JSON.stringify(published, undefined, 2)}\n`
}

function renderProgress(
  id: string,
  { doing, n_bytes, of_bytes }: PushProgress,
): [message: string, share: number] {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
  return [
    `${doing} ${id}: ${megabytes(n_bytes)} of ${megabytes(of_bytes)} MB`,
    of_bytes === 0 ? 1 : n_bytes / of_bytes,
  ]
}

function renderPlan(
  id: string,
  {
    isNew,
    files,
  }: { isNew: boolean; files: readonly { path: string; size_bytes: number; isThere: boolean }[] },
): string {
  const sent = files.filter(({ isThere }) => !isThere)
  const bytes = sent.reduce((n, { size_bytes }) => n + size_bytes, 0)
  const table = renderTable(
    ['file', 'bytes', ''],
    files.map(({ path, size_bytes, isThere }) => [path, size_bytes, isThere ? 'there' : 'to send']),
  )
  return `${table}\n${sent.length} of ${files.length} files (${(bytes / 1e6).toFixed(1)} MB) would be sent to ${id}${isNew ? ', which would be made' : ''}.`
}
