/** Tools that try something: run a text, test one latent on it, compare two, label. */
import type { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import {
  ChangeKind,
  type Client,
  Label,
  LatentChip,
  type Microscope,
  PromptComparison,
  SaeId,
  TestResult,
} from '../api/index.ts'
import { answer } from './readingTools.ts'
import { fixed, latentLine, quoted } from './words.ts'

/** Characters of a text. */
export const MOST_TEXT = 4_000
const Text = z.string().min(1).max(MOST_TEXT)

/** Where a latent fires in a text. */
const Firing = LatentChip.extend({
  /** Activation on its strongest token as a share of its own maximum, times -log2(density): strong, and rarely so. */
  notable: z.number(),
  tokens: z.array(z.object({ position: z.number(), piece: z.string(), act: z.number() })),
})
const Reading = z.object({
  tokens: z.array(z.string()),
  latents: z.array(Firing),
  left_out: z.array(z.string()),
})

/** A latent that changes between two texts, at the token where it changes most. */
const Change = LatentChip.extend({
  kind: ChangeKind,
  /** (b - a) as a share of the latent's maximum. */
  effect: z.number(),
  a: z.number(),
  b: z.number(),
  at: z.string(),
})
const Comparison = PromptComparison.shape.final
  .pick({ kl_ab: true, guesses: true })
  .extend({ changes: z.array(Change), left_out: z.array(z.string()) })

/** Adds run_text, test_latent, compare_texts and label_latent. */
export function addExperimentTools(server: McpServer, client: Client): void {
  server.registerTool(
    'run_text',
    {
      description:
        'Runs a text through the model and says which latents stand out, at all layers or some, and on which tokens: strong for what they are, and rare. Special tokens and latents that fire almost everywhere are left out.',
      inputSchema: z.object({
        text: Text,
        suite: z.string().optional().describe('the first suite by default'),
        layers: z.array(z.number().int().min(0)).optional().describe('all by default'),
        max_latents: z.number().int().min(1).max(60).default(20),
        max_density: z.number().min(0).max(1).default(0.1).describe('leave out denser latents'),
      }),
      outputSchema: Reading,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ text, suite, layers, max_latents, max_density }, ctx) => {
      const seen = await client.microscope(
        { text, max_density, top_k: 8, ...(suite === undefined ? {} : { suite }) },
        { signal: ctx.mcpReq.signal },
      )
      const firings = firingsOf(seen, layers).slice(0, max_latents)
      const predictions = seen.predictions.at(-1) ?? []
      const lines = [
        `tokens: ${seen.tokens.map(({ piece }, i) => `${i}:${quoted(piece)}`).join(' ')}`,
        `next: ${predictions.map(({ piece, p }) => `${quoted(piece)} ${fixed(p)}`).join(', ')}`,
        ...firings.map(
          (firing) =>
            `${latentLine(firing)}; on ${firing.tokens
              .slice(0, 6)
              .map(({ position, piece, act }) => `${position}:${quoted(piece)} ${fixed(act)}`)
              .join(', ')}`,
        ),
        ...seen.left_out.map((what) => `left out: ${what}`),
      ]
      const pieces = seen.tokens.map(({ piece }) => piece)
      return answer(lines, { tokens: pieces, latents: firings, left_out: seen.left_out })
    },
  )

  server.registerTool(
    'test_latent',
    {
      description:
        'One latent on every token of a text: the way to prove a guess about it wrong. 0 is off.',
      inputSchema: z.object({ sae: SaeId, index: z.number().int().min(0), text: Text }),
      outputSchema: TestResult,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async (given, ctx) => {
      const result = await client.testLatent(given, { signal: ctx.mcpReq.signal })
      const fired = result.values.filter((value) => value > 0).length
      const tokens = result.tokens.map(
        ({ piece }, i) =>
          `${quoted(piece)}${result.values[i]! > 0 ? `=${fixed(result.values[i])}` : ''}`,
      )
      const lines = [
        `fires on ${fired} of ${result.tokens.length} tokens`,
        tokens.join(' '),
        ...(result.left_out ?? []).map((what) => `left out: ${what}`),
      ]
      return answer(lines, result)
    },
  )

  server.registerTool(
    'compare_texts',
    {
      description:
        'Two texts through the model, token aligned with token: which latents are gained, lost, stronger or weaker in B, at every layer, and how the next token’s prediction differs.',
      inputSchema: z.object({
        a: Text,
        b: Text,
        suite: z.string().optional(),
        max_latents: z.number().int().min(1).max(60).default(20),
        max_density: z.number().min(0).max(1).default(0.1),
      }),
      outputSchema: Comparison,
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ max_latents, suite, ...texts }, ctx) => {
      const compared = await client.comparePrompts(
        { ...texts, ...(suite === undefined ? {} : { suite }) },
        { signal: ctx.mcpReq.signal },
      )
      const changes = changesOf(compared).slice(0, max_latents)
      const { kl_ab, guesses } = compared.final
      const lines = [
        `next token: KL(A || B) ${fixed(kl_ab)} nats; ${guesses
          .slice(0, 5)
          .map(({ piece, p_a, p_b }) => `${quoted(piece)} ${fixed(p_a)} in A, ${fixed(p_b)} in B`)
          .join('; ')}`,
        ...changes.map(
          (change) =>
            `${change.kind} ${fixed(change.effect)} of its maximum at ${quoted(change.at)}: ${latentLine(change)}, ${fixed(change.a)} in A, ${fixed(change.b)} in B`,
        ),
        ...compared.left_out.map((what) => `left out: ${what}`),
      ]
      const { left_out } = compared
      return answer(lines, { kl_ab, guesses, changes, left_out })
    },
  )

  server.registerTool(
    'label_latent',
    {
      description:
        'Keeps your label of a latent, under your client’s name, beside those that are there. Label what held against your tests, in one to six words.',
      inputSchema: z.object({
        sae: SaeId,
        index: z.number().int().min(0),
        text: z.string().trim().min(1).max(500),
      }),
      outputSchema: Label,
      annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: false },
    },
    async (given, ctx) => {
      const author = authorOf(server)
      const label = await client.addLabel({ ...given, author }, { signal: ctx.mcpReq.signal })
      return answer([`kept ${quoted(label.text)} by ${quoted(label.author)}`], label)
    },
  )
}

/** The client's name, as the one who claims what it writes. */
const authorOf = (server: McpServer): string =>
  server.server.getClientVersion()?.name.trim().slice(0, 100) || 'mcp client'

/** The latents of a microscope with the tokens they fire on, most notable first. */
function firingsOf(
  { rows, tokens, latents }: Microscope,
  layers: readonly number[] | undefined,
): z.infer<typeof Firing>[] {
  const chips = new Map(latents.map((chip) => [`${chip.sae}/${chip.index}`, chip]))
  const firings = new Map<string, z.infer<typeof Firing>>()
  for (const { sae, layer, cells } of rows) {
    if (layers && (layer === undefined || !layers.includes(layer))) continue
    for (const [position, cell] of cells.entries())
      for (const { index, act, strength } of cell) {
        const chip = chips.get(`${sae}/${index}`)
        if (!chip) continue
        const key = `${sae}/${index}`
        const firing = firings.get(key) ?? { ...chip, notable: 0, tokens: [] }
        firing.notable = Math.max(firing.notable, (strength ?? 0) * surprise(chip.density))
        firing.tokens.push({ position, piece: tokens[position]?.piece ?? '', act })
        firings.set(key, firing)
      }
  }
  for (const { tokens: fired } of firings.values()) fired.sort((a, b) => b.act - a.act)
  return [...firings.values()].sort((a, b) => b.notable - a.notable)
}

/** Bits that a latent's firing at all tells; 1 where its density is not known. */
const surprise = (density: number | undefined): number =>
  density === undefined || density <= 0 ? 1 : -Math.log2(density)

/** The changes of all sites, the largest first. */
function changesOf({ sites, columns, a, b, latents }: PromptComparison): z.infer<typeof Change>[] {
  const chips = new Map(latents.map((chip) => [`${chip.sae}/${chip.index}`, chip]))
  const pieceAt = (column: number): string => {
    const { a: in_a, b: in_b } = columns[column] ?? {}
    if (in_b !== undefined) return b.tokens[in_b]?.piece ?? ''
    return in_a === undefined ? '' : (a.tokens[in_a]?.piece ?? '')
  }
  const changes = sites.flatMap(({ sae, latents: changed, apart }) =>
    [...changed, ...apart].flatMap(({ index, kind, effect, a, b, column }) => {
      const chip = chips.get(`${sae}/${index}`)
      return chip ? [{ ...chip, kind, effect, a, b, at: pieceAt(column) }] : []
    }),
  )
  return changes.sort((x, y) => Math.abs(y.effect) - Math.abs(x.effect))
}
