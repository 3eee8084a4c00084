/** `hooke steer`: default and steered text side by side. */
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import type { Intervention, InterventionMode } from '../steer/index.ts'
import { CliError } from './errors.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, globList, realNumber } from './options.ts'
import { fetchModel, fetchPath } from './pull.ts'
import { addSamplingOptions, type SamplingFlags, samplingOf } from './sampling.ts'
import { renderSideBySide } from './terminal.ts'
import { parseLatent, suiteEntries } from './workspace.ts'

type Options = SamplingFlags &
  ModelFlags & {
    latent: string[]
    mode: InterventionMode
    strength: number
    prompt: string
    model?: string
    json?: boolean
  }

export function addSteerCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('steer')
    .summary('generate with latents turned up or down')
    .description(
      "Generates from a prompt twice with the same seed, as the model is and with latents changed. Strength is in units of each latent's own maximum activation for add and clamp, a factor for scale.",
    )
    .argument('<suite>', 'folder of the suite (indexed), or a Hub id (owner/name)')
    .requiredOption('--latent <hook/index...>', 'latents to change', globList)
    .addOption(
      new Option('--mode <mode>', 'how')
        .choices(['add', 'scale', 'clamp', 'ablate'])
        .default('add'),
    )
    .option('--strength <s>', 'how much', realNumber(-100, 100), 1)
    .requiredOption('--prompt <text>', 'text to go on from')
    .option('--model <model>', 'model, where suite.json does not say')
    .option('--json', 'print both texts as JSON')
  addModelOptions(command)
  addSamplingOptions(command, { temperature: 0.7, max_tokens: 60 }).action(
    async (asked: string, options: Options) => {
      const { readSuiteFile } = await import('../jobs/index.ts')
      const { loadSae } = await import('../sae/disk.ts')
      const { openModel } = await import('../model/index.ts')
      const { steer } = await import('../steer/index.ts')
      const suite = await fetchPath(asked, signal)
      const name = options.model ?? (await readSuiteFile(suite))?.model.path
      if (name === undefined)
        throw new CliError(`steer: ${suite} has no suite.json, so give --model.`)
      const entries = await suiteEntries(suite)
      const interventions: Intervention[] = []
      for (const text of options.latent) {
        const { entry, latent } = parseLatent(text, entries)
        // Scaling and ablating need no unit, so a suite need not be indexed for them.
        const needs_unit = options.mode === 'add' || options.mode === 'clamp'
        const max_act = needs_unit ? await maxAct(entry.path, latent) : 0
        const sae = await loadSae(entry.path)
        interventions.push({ sae, latent, mode: options.mode, strength: options.strength, max_act })
      }
      const model = await openModel(await fetchModel(name, signal), modelOptionsOf(options))
      try {
        const { prompt } = options
        const sampling = samplingOf(options)
        for await (const event of steer(model, { prompt, interventions, ...sampling, signal })) {
          if (event.type !== 'done') continue
          if (options.json)
            console.log(JSON.stringify({ prompt, default: event.default, steered: event.steered }))
          else
            console.log(
              renderSideBySide([
                `default: ${prompt}${event.default}`,
                `steered: ${prompt}${event.steered}`,
              ]),
            )
        }
      } finally {
        await model.close()
      }
    },
  )
}

/** A latent's largest activation: the unit of strength. @throws CliError if its SAE is not indexed. */
async function maxAct(folder: string, latent: number): Promise<number> {
  const { LATENTS_FILE, openLatents } = await import('../latents/disk.ts')
  const { pathExists } = await import('../files/index.ts')
  if (!(await pathExists(join(folder, LATENTS_FILE))))
    throw new CliError(
      `steer: ${folder} is not indexed, so the unit of --strength is not known. Run hooke index first, or use --mode scale or ablate.`,
    )
  const latents = await openLatents(folder)
  try {
    return (await latents.column('max_act'))[latent]!
  } finally {
    await latents.close()
  }
}
