/** `hooke mcp`: Hooke as tools for a language model, over standard input and output. */
import { type Command, Option } from 'commander'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import type { Context } from './options.ts'
import { databaseOption } from './workspace.ts'

type Options = ModelFlags & { url?: string; token?: string }

export function addMcpCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('mcp')
    .summary('tools for a language model (Model Context Protocol)')
    .description(
      'Serves the Model Context Protocol over standard input and output: tools to list suites, search latents, read one, run a text, test a latent, compare two texts, steer, sweep strengths and label. It opens the workspace itself, or, where hooke serve has it open, asks that server by --url: a workspace has one owner.',
    )
    .argument('[workspace]', 'folder of suites', 'hooke-demo')
    .option('--url <address>', 'ask a running server, at the address it printed')
    .addOption(
      new Option('--token <text>', 'token of that server, where its address has none').env(
        'HOOKE_TOKEN',
      ),
    )
  addModelOptions(command).action(async (workspace: string, options: Options) => {
    // Standard output is the protocol's.
    console.log = console.info = console.debug = console.error
    const [{ createClient }, { serveMcp }, { packageVersion }] = await Promise.all([
      import('../api/index.ts'),
      import('../mcp/index.ts'),
      import('../files/index.ts'),
    ])
    const about = { version: packageVersion(), signal }
    if (options.url !== undefined) {
      // The rest may hold a token.
      const [address = ''] = options.url.split('?')
      if (!URL.canParse(options.url) || !/^https?:\/\//.test(address))
        throw new CliError(`--url is ${address}, expected one such as http://127.0.0.1:4665`)
      return serveMcp(createClient(options.url, { token: options.token }), about)
    }
    const { openWorkspace } = await import('../server/index.ts')
    const open = await openWorkspace({
      workspace,
      ...databaseOption(),
      model: modelOptionsOf(options),
      any_host: true,
    }).catch((cause: unknown) => {
      throw new Error(
        `${workspace} does not open. If hooke serve has it open, ask that server: hooke mcp --url http://127.0.0.1:4665`,
        { cause },
      )
    })
    try {
      await open.imported
      const client = createClient('http://localhost', {
        fetch: (address, init) => open.app.request(address, init),
      })
      await serveMcp(client, about)
    } finally {
      await open.close()
    }
  })
}
