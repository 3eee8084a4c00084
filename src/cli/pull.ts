/** `hooke pull`: a model, an SAE or a data set from the Hub into the cache; and fetching for the other commands, with progress. */
import { type Command, Option } from 'commander'
import type { PullProgress, RepoType } from '../hub/index.ts'
import { CliError } from './errors.ts'
import { type Context, globList } from './options.ts'
import { openProgress } from './terminal.ts'

type Options = { revision?: string; include?: string[]; type: RepoType; json?: boolean }

export function addPullCommand(program: Command, { signal }: Context): void {
  program
    .command('pull')
    .summary('fetch a model, SAEs or a data set from the Hugging Face Hub')
    .description(
      "Fetches into the cache that Python's Hugging Face libraries use (HF_HOME), and prints the folder. Of a model only what it needs is fetched; of anything else what --include names. What was begun is resumed, and every file's checksum is compared.",
    )
    .argument(
      '<id>',
      'owner/name[@revision]; of one SAE also its short name, or owner/name[@revision]/folder',
    )
    .option('--revision <name>', 'branch, tag or commit')
    .option(
      '--include <globs...>',
      'only these paths, e.g. "layer_20/width_16k/average_l0_71/*"',
      globList,
    )
    .addOption(
      new Option('--type <type>', 'kind of repository')
        .choices(['model', 'dataset'])
        .default('model'),
    )
    .option('--json', 'print the folder as JSON')
    .action(async (id: string, { revision, include, type, json }: Options) => {
      const { parseHubAddress, pullFiles, pullModel } = await import('../hub/index.ts')
      const { resolveRelease } = await import('../sae/index.ts')
      const isSae =
        type === 'model' &&
        include === undefined &&
        (resolveRelease(id) !== undefined || parseHubAddress(id)?.path !== undefined)
      if (isSae && revision !== undefined)
        throw new CliError(
          'pull: give the revision of an SAE in its name: owner/name@revision/folder.',
        )
      const folder = await withProgress(async (onProgress) => {
        if (isSae) {
          const { fetchPublishedSae } = await import('../sae/disk.ts')
          return (await fetchPublishedSae(id, { signal, onProgress })).path
        }
        const asked = {
          id,
          ...(revision === undefined ? {} : { revision }),
          signal,
          onProgress,
        }
        return type === 'model' && include === undefined
          ? pullModel(asked)
          : pullFiles({ ...asked, type, ...(include === undefined ? {} : { include }) })
      })
      console.log(json ? JSON.stringify({ folder }) : folder)
    })
}

/** The folder of a model that a command names; a Hub id is fetched, and the terminal shows how far. @throws as `resolveModel`. */
export async function fetchModel(name: string, signal: AbortSignal): Promise<string> {
  const { resolveModel } = await import('../hub/index.ts')
  return withProgress((onProgress) => resolveModel(name, { signal, onProgress }))
}

/** A suite, an SAE's folder or a file that a command names, fetched likewise. @throws as `resolvePath`. */
export async function fetchPath(name: string, signal: AbortSignal): Promise<string> {
  const { resolvePath } = await import('../hub/index.ts')
  return withProgress((onProgress) => resolvePath(name, { signal, onProgress }))
}

/** Does work that fetches, and shows in the terminal how far it is. */
export async function withProgress<T>(
  work: (onProgress: (progress: PullProgress) => void) => Promise<T>,
): Promise<T> {
  const { renderPull } = await import('../hub/index.ts')
  const line = openProgress()
  try {
    return await work((progress) => {
      const { n_bytes, of_bytes, remaining_ms } = progress
      line.update(renderPull(progress), of_bytes === 0 ? 1 : n_bytes / of_bytes, remaining_ms)
    })
  } finally {
    line.clear()
  }
}
