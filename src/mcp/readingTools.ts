/** Tools that read what is known: suites, search, one latent. */
import type { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import {
  type Client,
  LatentView,
  SaeId,
  SaeSummary,
  SearchKind,
  SearchResult,
  Workspace,
} from '../api/index.ts'
import { fixed, latentLine, percent, quoted, withPeak } from './words.ts'

const READS = { readOnlyHint: true, openWorldHint: false } as const

/** What a language model needs of an SAE to choose one. */
const Sae = SaeSummary.pick({
  id: true,
  hook: true,
  layer: true,
  d_sae: true,
  state: true,
  n_labelled: true,
})
const Suites = z.object({
  model: Workspace.shape.model,
  suites: z.array(z.object({ name: z.string(), saes: z.array(Sae) })),
  sample_text: z.string(),
})

/** Of a latent what fits a context: few examples, no histogram, no code. */
const Latent = LatentView.omit({ histogram: true, snippets: true })

/** Adds list_suites, search_latents and read_latent. */
export function addReadingTools(server: McpServer, client: Client): void {
  server.registerTool(
    'list_suites',
    {
      description: 'The model, the suites of SAEs trained on it, and the id of every SAE.',
      outputSchema: Suites,
      annotations: READS,
    },
    async (ctx) => {
      const { model, suites, sample_text } = await client.workspace(
        {},
        {
          signal: ctx.mcpReq.signal,
        },
      )
      const structuredContent = {
        ...(model ? { model } : {}),
        suites: suites.map(({ name, saes }) => ({ name, saes: saes.map((sae) => Sae.parse(sae)) })),
        sample_text,
      }
      const lines = suites.flatMap(({ name, saes }) => [
        `suite ${name}: ${saes.length} SAEs`,
        ...saes.map(
          ({ id, state, d_sae, metrics, n_labelled }) =>
            `  ${id}  ${state}, ${d_sae} latents, ${n_labelled} labelled${metrics ? `, L0 ${fixed(metrics.l0)}, FVU ${fixed(metrics.fvu)}` : ''}`,
        ),
      ])
      const about = model
        ? `model ${model.name}: ${model.n_layers} layers, context of ${model.n_ctx} tokens`
        : 'the model is not open yet'
      return answer(
        [about, ...lines, `a sentence to try: ${quoted(sample_text)}`],
        structuredContent,
      )
    },
  )

  server.registerTool(
    'search_latents',
    {
      description:
        'Latents by words in their labels, by tokens they fire on, or by tokens they make likelier. Best match first.',
      inputSchema: z.object({
        query: z.string().min(1).max(1000).describe('words, or a token'),
        kind: SearchKind.default('all').describe('label, token (fires on), logit (makes likelier)'),
        sae: SaeId.optional().describe('only in this SAE; an id from list_suites'),
        limit: z.number().int().min(1).max(50).default(15),
      }),
      outputSchema: SearchResult,
      annotations: READS,
    },
    async ({ query, kind, sae, limit }, ctx) => {
      const found = await client.search(
        { q: query, kind, limit, ...(sae ? { sae } : {}) },
        { signal: ctx.mcpReq.signal },
      )
      const lines = found.hits.map(
        (hit) => `${latentLine(hit)}; matched in ${hit.matched}: ${quoted(hit.snippet)}`,
      )
      return answer([`${found.hits.length} of ${found.n_total} found`, ...lines], found)
    },
  )

  server.registerTool(
    'read_latent',
    {
      description:
        'The evidence about one latent: labels, strongest examples, tokens it raises and lowers, how often it fires, its nearest neighbours. In examples the token it fires on most is in «».',
      inputSchema: z.object({
        sae: SaeId.describe('an id from list_suites'),
        index: z.number().int().min(0),
        examples: z.number().int().min(1).max(20).default(6),
      }),
      outputSchema: Latent,
      annotations: READS,
    },
    async ({ sae, index, examples: n_examples }, ctx) => {
      const view = await client.latent({ sae, index }, { signal: ctx.mcpReq.signal })
      const latent = { ...Latent.parse(view), examples: spread(view.examples, n_examples) }
      const effects = (list: LatentView['top_logits']) =>
        list.map(({ piece, effect }) => `${quoted(piece)} ${fixed(effect)}`).join(', ')
      const lines = [
        latentLine(latent),
        ...latent.labels
          .filter((label) => label.retired_at === undefined)
          .map(
            ({ text, method, author, score, score_method }) =>
              `  label ${quoted(text)} (${method}, by ${quoted(author)}${score === undefined ? '' : `, ${score_method ?? 'score'} ${fixed(score)}`})`,
          ),
        `fires on ${percent(latent.n_active / latent.n_tokens)} of ${latent.n_tokens} tokens, mean ${fixed(latent.mean_act)} where it does`,
        `raises: ${effects(latent.top_logits)}`,
        `lowers: ${effects(latent.bottom_logits)}`,
        `nearest: ${latent.neighbours
          .slice(0, 5)
          .map((other) => `${latentLine(other)} cosine ${fixed(other.cosine)}`)
          .join(' | ')}`,
        'examples, activation first:',
        ...latent.examples.map(
          ({ pieces, values, peak }) => `  ${fixed(values[peak])}  ${withPeak(pieces, peak)}`,
        ),
      ]
      return answer(lines, latent)
    },
  )
}

/** The strongest half, then one an interval of activation: what a latent does weakly says as much as its peak. */
function spread<T extends { interval: number }>(examples: readonly T[], n: number): T[] {
  const strongest = examples.filter(({ interval }) => interval === 0).slice(0, Math.ceil(n / 2))
  const others = examples.filter(({ interval }) => interval !== 0)
  const step = Math.max(1, Math.floor(others.length / Math.max(1, n - strongest.length)))
  const weaker = others.filter((_, i) => i % step === 0).slice(0, n - strongest.length)
  return [...strongest, ...weaker]
}

/** A tool's answer: lines for the reader, the same as data for the program around it. */
export function answer(lines: readonly string[], structuredContent: Record<string, unknown>) {
  return { content: [{ type: 'text' as const, text: lines.join('\n') }], structuredContent }
}
