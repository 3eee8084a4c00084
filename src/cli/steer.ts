/** `hooke steer`: default and steered text side by side, or what every strength of a grid does to it. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Model } from '../model/index.ts'
import type { Intervention, SteerSide, SteerTurn, SweepEvent } from '../steer/index.ts'
import { CliError } from './errors.ts'
import {
  type InterventionFlags,
  MODES,
  openInterventions,
  plainInterventions,
} from './interventions.ts'
import { addModelOptions, type ModelFlags, modelOptionsOf } from './modelOptions.ts'
import { type Context, globList, realNumber, wholeNumber } from './options.ts'
import { fetchModel, fetchPath } from './pull.ts'
import { addSamplingOptions, type SamplingFlags, samplingOf } from './sampling.ts'
import { openProgress, renderSideBySide, renderTable } from './terminal.ts'

type Options = SamplingFlags &
  ModelFlags &
  InterventionFlags & {
    latent: string[]
    prompt: string
    instruction?: string
    chat?: boolean
    then?: string[]
    sweep?: boolean
    strengths?: number[]
    samples?: number
    model?: string
    json?: boolean
  }

export function addSteerCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('steer')
    .summary('generate with latents turned up or down')
    .description(
      "Generates from a prompt twice with the same seed, as the model is and with latents changed. Strength is in units of each latent's own maximum activation for add and clamp, a factor for scale. With --sweep it measures a grid of strengths instead: divergence from the default, perplexity and repetition of the texts, how much of the latent they hold, and which strengths are useful.",
    )
    .argument('<suite>', 'folder of the suite (indexed), or a Hub id (owner/name)')
    .requiredOption(
      '--latent <hook/index...>',
      'latents to change; one with a mode or strength of its own is hook/index:mode:strength',
      globList,
    )
    .addOption(new Option('--mode <mode>', 'how').choices(MODES).default('add'))
    .option('--strength <s>', 'how much', realNumber(-100, 100), 1)
    .addOption(
      new Option(
        '--positions <where>',
        'tokens given, tokens generated, or all; of a chat what the user says, what the model says, or all that is said',
      )
        .choices(['all', 'prompt', 'answer'])
        .default('all'),
    )
    .option('--conditional', 'change only tokens on which the latent fires')
    .option('--frame', 'change special tokens and those of the chat template, too')
    .requiredOption('--prompt <text>', 'text to go on from')
    .option(
      '--instruction <text>',
      'beside them a third text: this in front of the prompt, and no latent changed',
    )
    .option('--chat', 'answer the prompt as the chat template of the model has it')
    .option('--then <text...>', 'with --chat: what the user says next, turn by turn')
    .option('--sweep', 'measure a grid of strengths instead')
    .option(
      '--strengths <list>',
      'with --sweep: of the strongest latent; the others keep their proportion (default: 0,0.25,0.5,1,1.5,2,3,4)',
      strengthList,
    )
    .option('--samples <n>', 'with --sweep: texts a strength (default: 4)', wholeNumber(2, 1000))
    .option('--model <model>', 'model, where suite.json does not say')
    .option('--json', 'print texts and figures as JSON')
  addModelOptions(command)
  addSamplingOptions(command, { temperature: 0.7, max_tokens: 60 }).action(
    async (asked: string, options: Options) => {
      checkTask(options)
      const { readSuiteFile } = await import('../jobs/index.ts')
      const { openModel } = await import('../model/index.ts')
      const suite = await fetchPath(asked, signal)
      const name = options.model ?? (await readSuiteFile(suite))?.model.path
      if (name === undefined)
        throw new CliError(`steer: ${suite} has no suite.json, so give --model.`)
      const interventions = await openInterventions(suite, options.latent, options)
      const model = await openModel(await fetchModel(name, signal), modelOptionsOf(options))
      try {
        const task = { model, interventions, options, signal }
        console.log(options.sweep ? await sweepText(task) : await steerText(task))
      } finally {
        await model.close()
      }
    },
  )
}

type Task = {
  readonly model: Model
  readonly interventions: readonly Intervention[]
  readonly options: Options
  readonly signal: AbortSignal
}

function checkTask({ sweep, strengths, samples, chat, then, instruction }: Options): void {
  if (!sweep && (strengths !== undefined || samples !== undefined))
    throw new CliError('steer: --strengths and --samples need --sweep.')
  if (!chat && then !== undefined) throw new CliError('steer: --then needs --chat.')
  if (sweep && (then !== undefined || instruction !== undefined))
    throw new CliError(
      'steer: --sweep takes neither --then nor --instruction: it measures one answer.',
    )
}

/** Numbers separated by commas, below 0 too: `-1,0,1`. */
function strengthList(text: string): number[] {
  const strengths = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)))
  if (strengths.every((strength) => Math.abs(strength) <= 100)) return strengths
  throw new InvalidArgumentError(
    'expected numbers from -100 to 100 separated by commas, e.g. 0,0.5,1.',
  )
}

const SIDES = ['default', 'steered', 'prompted'] as const satisfies SteerSide[]

/** The texts of one prompt, or of every turn of a chat. */
async function steerText({ model, interventions, options, signal }: Task): Promise<string> {
  const { steer } = await import('../steer/index.ts')
  const { instruction, json } = options
  const said = [options.prompt, ...(options.then ?? [])]
  const turns: SteerTurn[] = []
  const printed: string[] = []
  let last: object = {}
  for (const prompt of said) {
    const run = { prompt, interventions, instruction, ...samplingOf(options), signal }
    const tokens: Partial<Record<SteerSide, { piece: string; logprob: number }[]>> = {}
    for await (const event of steer(model, { ...run, ...(options.chat ? { chat: turns } : {}) })) {
      if (event.type === 'token') {
        const { side, piece, logprob } = event
        tokens[side] ??= []
        tokens[side].push({ piece, logprob })
        continue
      }
      const { type: _, logprobs, ...texts } = event
      const sides = SIDES.filter((side) => texts[side] !== undefined)
      const figures = Object.fromEntries(
        sides.flatMap((side) => (logprobs[side] ? [[side, perplexity(logprobs[side])]] : [])),
      )
      const lead = options.chat ? '' : prompt
      const columns = sides.map((side) => {
        const figure =
          figures[side] === undefined ? '' : ` (perplexity ${figures[side].toFixed(1)})`
        return `${side}${figure}: ${lead}${texts[side]}`
      })
      if (options.chat) printed.push(`user: ${prompt}`)
      printed.push(renderSideBySide(columns))
      turns.push({ user: prompt, ...texts })
      const scored = Object.fromEntries(
        sides.map((side) => [
          side,
          (tokens[side] ?? []).map((token, i) => ({
            ...token,
            default_logprob: logprobs[side]![i],
          })),
        ]),
      )
      last = { ...texts, perplexity: figures, tokens: scored }
    }
  }
  if (!json) return [...printed, PERPLEXITY].join('\n\n')
  const chat = options.chat ? { turns } : {}
  const prompt = said.at(-1)
  return JSON.stringify({
    prompt,
    interventions: plainInterventions(interventions),
    ...chat,
    ...last,
  })
}

const PERPLEXITY = 'Perplexity is that of the text under the model as it is, behind the prompt.'

const perplexity = (logprobs: readonly number[]): number =>
  Math.exp(-logprobs.reduce((sum, x) => sum + x, 0) / logprobs.length)

/** The table of a sweep. */
async function sweepText({ model, interventions, options, signal }: Task): Promise<string> {
  const { leadOf, renderBandRule, sweep } = await import('../steer/index.ts')
  const { prompt, chat, strengths, samples, json } = options
  const progress = openProgress()
  const found: Exclude<SweepEvent, { type: 'progress' }>[] = []
  const run = sweep(model, {
    prompt,
    interventions,
    ...samplingOf(options),
    signal,
    ...(chat ? { chat: [] } : {}),
    ...(strengths === undefined ? {} : { strengths }),
    ...(samples === undefined ? {} : { n_samples: samples }),
  })
  for await (const event of run) {
    if (event.type !== 'progress') found.push(event)
    else
      progress.update(
        `sweep: ${event.n_done} of ${event.n_total} tokens`,
        event.n_done / event.n_total,
      )
  }
  progress.clear()
  const plain = found.find((event) => event.type === 'default')!
  const points = found.filter((event) => event.type === 'point')
  const { bands } = found.find((event) => event.type === 'done')!
  const rule = renderBandRule()
  if (json) {
    const untyped = <T extends { type: string }>({ type: _, ...rest }: T) => rest
    return JSON.stringify({
      prompt,
      interventions: plainInterventions(interventions),
      default: untyped(plain),
      points: points.map(untyped),
      bands,
      rule,
    })
  }
  const lead = leadOf(interventions)
  const rows = [{ ...plain, strength: 'default', kl: undefined, verdict: '' }, ...points].map(
    (point) => [
      String(point.strength),
      point.kl?.toFixed(3),
      point.perplexity?.toFixed(1),
      point.repetition?.toFixed(3),
      meanOf(point.acts[lead]!)?.toFixed(3),
      point.verdict.replace('_', ' '),
    ],
  )
  const table = renderTable(
    ['strength', 'KL', 'perplexity', 'repetition', 'activation', 'verdict'],
    rows,
  )
  const words = bands.map(({ from, to }) => (from === to ? `${from}` : `${from} to ${to}`))
  const band =
    words.length === 0 ? 'No strength of these is useful.' : `Useful: ${words.join(', ')}.`
  const { sae, latent } = interventions[lead]!
  return `${table}\n${band}\n${rule}\nKL in nats a token, on the default's texts; activation of ${sae.hook_name}/${latent}, mean over the tokens of the texts.`
}

const meanOf = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : numbers.reduce((sum, x) => sum + x, 0) / numbers.length
