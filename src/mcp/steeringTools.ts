/** Tools that change what the model writes: one steered text, or what every strength does to several. */
import type { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { type Client, Intervention, type SweepEvent, SweepVerdict } from '../api/index.ts'
import { MOST_TEXT } from './experimentTools.ts'
import { answer } from './readingTools.ts'
import { fixed, quoted } from './words.ts'

const UNITS =
  'add and clamp: strength in units of the latent’s own maximum (try 0.5 to 3, negative to suppress); scale: a factor; ablate: strength is not used.'

const asked = {
  prompt: z.string().max(MOST_TEXT),
  interventions: z.array(Intervention).min(1).max(16),
  chat: z
    .boolean()
    .default(false)
    .describe('the prompt is what a user says to an instruction-tuned model'),
  max_tokens: z.number().int().min(1).max(200).default(40),
  temperature: z.number().min(0).max(5).default(0.7),
  seed: z.number().int().default(0),
}

const Perplexity = z.number().optional()
const Steered = z.object({
  default: z.string(),
  steered: z.string(),
  /** Of both texts under the model as it is. */
  perplexity: z.object({ default: Perplexity, steered: Perplexity }),
})

const Measured = z.object({
  perplexity: Perplexity,
  repetition: z.number().optional(),
  /** [interventions]: mean over the texts. */
  activation: z.array(z.number().optional()),
  /** The first of the texts. */
  text: z.string(),
})
const Sweep = z.object({
  default: Measured,
  points: z.array(
    Measured.extend({ strength: z.number(), kl: z.number().optional(), verdict: SweepVerdict }),
  ),
  bands: z.array(z.object({ from: z.number(), to: z.number() })),
  rule: z.string(),
})

/** Adds steer and sweep_strengths. */
export function addSteeringTools(server: McpServer, client: Client): void {
  server.registerTool(
    'steer',
    {
      description: `Continues a prompt twice with the same seed, as the model is and with latents changed, with both texts’ perplexity under the model as it is. ${UNITS}`,
      inputSchema: z.object(asked),
      outputSchema: Steered,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ chat, ...given }, ctx) => {
      const request = { ...given, ...(chat ? { chat: [] } : {}) }
      for await (const event of client.steer(request, { signal: ctx.mcpReq.signal })) {
        if (event.type === 'error') throw new Error(event.error)
        if (event.type !== 'done') continue
        const found = {
          default: event.default,
          steered: event.steered,
          perplexity: {
            default: perplexity(event.logprobs.default),
            steered: perplexity(event.logprobs.steered),
          },
        }
        const line = (side: 'default' | 'steered') =>
          `${side} (perplexity ${fixed(found.perplexity[side])}): ${JSON.stringify(found[side])}`
        return answer([line('default'), line('steered')], found)
      }
      throw new Error('steering ended before both texts were done; try again')
    },
  )

  server.registerTool(
    'sweep_strengths',
    {
      description: `Steers at a grid of strengths, several texts each, and measures by the model as it is: KL of the predictions from the default’s, perplexity and repetition of the texts, how much of the latents they hold, and which strengths are useful. The strongest intervention takes the strengths, the others keep their proportion to it. ${UNITS} Takes as long as all its texts: strengths × samples × tokens.`,
      inputSchema: z.object({
        ...asked,
        strengths: z.array(z.number().min(-100).max(100)).min(1).max(16).optional(),
        n_samples: z.number().int().min(2).max(16).default(4),
      }),
      outputSchema: Sweep,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ chat, strengths, ...given }, ctx) => {
      const request = {
        ...given,
        ...(chat ? { chat: [] } : {}),
        ...(strengths === undefined ? {} : { strengths }),
      }
      const { signal, notify, _meta } = ctx.mcpReq
      const found: SweepEvent[] = []
      for await (const event of client.sweep(request, { signal })) {
        if (event.type === 'error') throw new Error(event.error)
        if (event.type !== 'progress') found.push(event)
        // Whoever is told how far it is need not give up waiting.
        else if (_meta?.progressToken !== undefined)
          await notify({
            method: 'notifications/progress',
            params: {
              progressToken: _meta.progressToken,
              progress: event.n_done,
              total: event.n_total,
            },
          })
      }
      const sweep = sweepOf(found)
      const figures = ({ perplexity, repetition, activation }: z.infer<typeof Measured>) =>
        `perplexity ${fixed(perplexity)}, repetition ${fixed(repetition)}, activation ${activation.map(fixed).join(' and ')}`
      const bands = sweep.bands.map(({ from, to }) =>
        from === to ? `${from}` : `${from} to ${to}`,
      )
      return answer(
        [
          `default: ${figures(sweep.default)}: ${quoted(sweep.default.text)}`,
          ...sweep.points.map(
            (point) =>
              `${point.strength}: ${point.verdict}, KL ${fixed(point.kl)} nats a token, ${figures(point)}: ${quoted(point.text)}`,
          ),
          bands.length > 0 ? `useful: ${bands.join(', ')}` : 'no strength of these is useful',
          sweep.rule,
        ],
        sweep,
      )
    },
  )
}

/** What a whole sweep found. */
function sweepOf(events: readonly SweepEvent[]): z.infer<typeof Sweep> {
  const plain = events.find((event) => event.type === 'default')
  const done = events.find((event) => event.type === 'done')
  if (!plain || !done) throw new Error('the sweep ended before it was done; try again')
  const points = events.filter((event) => event.type === 'point')
  return {
    default: measuredOf(plain),
    points: points.map((point) => ({
      strength: point.strength,
      verdict: point.verdict,
      kl: point.kl,
      ...measuredOf(point),
    })),
    bands: done.bands,
    rule: done.rule,
  }
}

type Measure = Extract<SweepEvent, { type: 'default' }>

const measuredOf = (measure: Omit<Measure, 'type'>): z.infer<typeof Measured> => ({
  perplexity: measure.perplexity,
  repetition: measure.repetition,
  activation: measure.acts.map(mean),
  text: measure.texts[0] ?? '',
})

const mean = (numbers: readonly number[]): number | undefined =>
  numbers.length === 0 ? undefined : numbers.reduce((sum, x) => sum + x, 0) / numbers.length

/** Of log-probabilities in nats. */
function perplexity(logprobs: readonly number[] | undefined): number | undefined {
  const nats = mean(logprobs ?? [])
  return nats === undefined ? undefined : Math.exp(-nats)
}
