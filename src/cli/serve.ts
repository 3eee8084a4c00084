/** `hooke serve`: the explorer and the API for a workspace. */
import { type Command, Option } from 'commander'
import type { AskSettings } from '../jobs/index.ts'
import { type AskFlags, addProviderOptions, askSettingsOf, requireKey } from './askOptions.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, wholeNumber } from './options.ts'
import { databaseOption } from './workspace.ts'

type Options = ModelFlags &
  AskFlags & {
    port: number
    host: string
    token?: string
    allowModel?: string[]
    open?: boolean
  }

export function addServeCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('serve')
    .summary('the explorer and the API')
    .description(
      'Serves a folder of suites: the page at /, the API at /api. Ctrl-C ends it; a run under way writes its checkpoint first. Labels are tested from the page by the language model that --provider names, or on loopback by that whose key the environment holds; --max-cost caps each run ($1 unless said).',
    )
    .argument('[workspace]', 'folder of suites', 'hooke-demo')
    .option('--port <n>', 'port to listen on (0: a free one)', wholeNumber(0, 65535), 4665)
    .option(
      '--host <address>',
      'address to listen on; any but loopback asks for a token',
      '127.0.0.1',
    )
    .addOption(
      new Option('--token <text>', 'token to ask for, 16 characters or more').env('HOOKE_TOKEN'),
    )
    .option(
      '--allow-model <model>',
      "a model that may be compared with, beside the suites' own and the bundled ones; give it again for each (default: any on loopback, none beyond)",
      (name: string, others: string[] = []) => [...others, name],
    )
    .option('--open', 'open the page in the browser')
  addModelOptions(addProviderOptions(command)).action(
    async (workspace: string, options: Options) => {
      const { startServer } = await import('../server/index.ts')
      const { port, host, token, allowModel, open } = options
      const judge = await judgeOf(options)
      const server = await startServer({
        workspace,
        port,
        host,
        ...(token === undefined ? {} : { token }),
        ...(allowModel === undefined ? {} : { models: allowModel }),
        ...(judge === undefined ? {} : { judge }),
        ...(open === undefined ? {} : { open }),
        ...databaseOption(),
        model: modelOptionsOf(options),
      })
      try {
        console.log(`Hooke is at ${server.url} (Ctrl-C ends it)`)
        await aborted(signal)
      } finally {
        await server.close()
      }
    },
  )
}

/** The language model that tests labels, where one is named. @throws CliError as `askSettingsOf` and `requireKey`. */
async function judgeOf(options: Options): Promise<AskSettings | undefined> {
  const { provider, baseUrl, model } = options
  if (provider === undefined && baseUrl === undefined && model === undefined) return undefined
  const settings = await askSettingsOf('serve', options)
  await requireKey('serve', settings)
  return settings
}

/** Resolves when the signal aborts: at once if it has. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
