/** `hooke export`: a suite in another project's layout. */
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import type { Context } from './options.ts'

type Options = { format: string; out: string }

export function addExportCommand(program: Command, { signal }: Context): void {
  program
    .command('export')
    .summary("write a suite in Gemma Scope's layout")
    .description(
      "Writes every SAE of a suite as Gemma Scope does: layer_L/width_W/average_l0_N/params.npz, N its measured L0 where metrics are there, else its target. (A suite's own folders are SAELens's layout already.)",
    )
    .argument('<suite>', 'folder of the suite')
    .option('--format <name>', 'gemma-scope', 'gemma-scope')
    .requiredOption('--out <folder>', 'folder to write into')
    .action(async (suite: string, options: Options) => {
      if (options.format !== 'gemma-scope')
        throw new CliError(`export: --format is ${options.format}, expected gemma-scope.`)
      const { listSuite, loadSae, readMetrics, saveGemmaScope } = await import('../sae/disk.ts')
      const entries = await listSuite(suite)
      if (entries.length === 0)
        throw new CliError(`export: ${suite} holds no SAE. Give the folder that hooke train wrote.`)
      /** By hook, width and rounded L0: the layout's names hold no more. */
      const planned = new Map<string, { path: string; average_l0: number }>()
      for (const { hook, d_sae, l0, path } of entries) {
        const average_l0 = Math.round((await readMetrics(path))?.l0 ?? l0)
        const name = `${hook}/${d_sae}/${average_l0}`
        const other = planned.get(name)
        if (other !== undefined)
          throw new CliError(
            `export: ${other.path} and ${path} both have an average L0 of ${average_l0}, so they would share one name. Copy one of them to another suite and export it to another folder.`,
          )
        planned.set(name, { path, average_l0 })
      }
      for (const { path, average_l0 } of planned.values()) {
        signal.throwIfAborted()
        console.log(await saveGemmaScope(options.out, await loadSae(path), average_l0))
      }
    })
}
