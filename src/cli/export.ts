/** `hooke export`: a suite in another project's layout, or as a static site. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CliError } from './errors.ts'
import type { Exported } from './exportLayouts.ts'
import { type Context, oneOf } from './options.ts'
import { openProgress, renderBytes } from './terminal.ts'
import { suiteEntries } from './workspace.ts'

const FORMATS = ['saelens', 'gemma-scope', 'neuronpedia'] as const
type Format = (typeof FORMATS)[number]

type Options = {
  format: Format
  out?: string
  site?: string
  text: readonly string[]
  json?: boolean
}

export function addExportCommand(program: Command, { signal }: Context): void {
  program
    .command('export')
    .summary(
      'write a suite in the layout of SAELens, Gemma Scope or Neuronpedia, or as a static site',
    )
    .description(
      'saelens: one folder an SAE with cfg.json, sae_weights.safetensors and, where the suite is indexed, sparsity.safetensors. gemma-scope: layer_L/width_W/average_l0_N/params.npz, N its measured L0 where metrics are there, else its target. neuronpedia: the JSON-lines bundle v1/MODEL/LAYER-SOURCESET of an indexed suite: features, activations, explanations. What a layout has no place for is left out and named, and the command then ends with 1. --site writes the explorer itself as files for any web host, with what needs no computing: the suite, its latents, labels, search by letters, and the microscope of the texts given.',
    )
    .argument('<suite>', 'folder of the suite')
    .option('--format <name>', FORMATS.join(', '), oneOf(FORMATS), 'gemma-scope')
    .option('--out <folder>', 'folder to write the layout into')
    .option('--site <folder>', 'folder to write the static site into')
    .option(
      '--text <text>',
      'a text for the site’s microscope; may be given several times',
      (text: string, before: readonly string[]) => [...before, text],
      [],
    )
    .option('--json', 'print the outcome as JSON')
    .action(async (suite: string, options: Options, command: Command) => {
      const { format, out, site, text, json } = options
      const isAsked = (name: string) => command.getOptionValueSource(name) === 'cli'
      if (site !== undefined && (out !== undefined || isAsked('format')))
        throw new CliError('export: --site and a layout (--out, --format) are two exports.')
      if (site === undefined && text.length > 0)
        throw new CliError('export: --text is for the microscope of a --site.')
      if (site === undefined && out === undefined)
        throw new CliError('export: where to? Give --out FOLDER for a layout, or --site FOLDER.')
      const entries = await suiteEntries(suite)
      if (site !== undefined) return writeSite(suite, site, { texts: text, json, signal })
      const write = await exporterOf(format)
      let n_left_out = 0
      for await (const exported of write(resolve(suite), entries, out ?? '')) {
        if (json) console.log(JSON.stringify(exported))
        else if ('written' in exported) {
          console.log(exported.written)
          if (exported.note !== undefined) console.error(`  ${exported.note}`)
        } else console.error(`left out: ${exported.left_out}: ${exported.why}`)
        if ('left_out' in exported) n_left_out++
        signal.throwIfAborted()
      }
      if (n_left_out > 0)
        throw new Error(
          `${n_left_out} of ${entries.length} SAEs were left out of the ${format} layout; the others are written.`,
        )
    })
}

async function writeSite(
  suite: string,
  folder: string,
  asked: { texts: readonly string[]; json: boolean | undefined; signal: AbortSignal },
): Promise<void> {
  const { exportSite } = await import('./exportSite.ts')
  const progress = openProgress()
  const onProgress = (message: string, share: number) => progress.update(message, share)
  const { texts, signal, json } = asked
  try {
    const written = await exportSite(suite, folder, { texts, signal, onProgress })
    progress.clear()
    const { n_files, n_bytes } = written
    const said = `${folder}: ${n_files} files of data, ${renderBytes(n_bytes)}; put the folder on any web host`
    console.log(json ? JSON.stringify({ folder, ...written }) : said)
  } finally {
    progress.clear()
  }
}

type Exporter = (
  suite: string,
  entries: Awaited<ReturnType<typeof suiteEntries>>,
  out: string,
) => AsyncGenerator<Exported>

async function exporterOf(format: Format): Promise<Exporter> {
  switch (format) {
    case 'saelens':
      return (await import('./exportLayouts.ts')).exportSaelens
    case 'gemma-scope':
      return (await import('./exportLayouts.ts')).exportGemmaScope
    case 'neuronpedia':
      return (await import('./exportNeuronpedia.ts')).exportNeuronpedia
    default:
      throw new TypeError(`unknown format ${format satisfies never}`)
  }
}
