/**
 * The manifest of an activation store: what made it and what lies in it.
 *
 *   <dir>/manifest.json              this; rewritten after every shard, so that a killed capture goes on where it was
 *   <dir>/shard_00000.safetensors    one tensor [n, d] per site, named as the hook, and `token_index` [n] I32
 */

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { pathExists, readJson } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import type { HookName } from '../model/index.ts'

const Count = z.number().int().nonnegative()
const Hash = z.string().min(1)

const Manifest = z.strictObject({
  format: z.literal('hooke activations'),
  /** Of this layout. */
  version: z.literal(1),
  /** `path`: what to open it by, where it was captured. */
  model: z.strictObject({ name: z.string(), hash: Hash, path: z.string().optional() }),
  corpus: z.strictObject({
    hash: Hash,
    files: z.array(z.strictObject({ name: z.string(), n_docs: Count, n_tokens: Count })),
  }),
  hooks: z.array(z.strictObject({ name: z.string(), width: Count })).min(1),
  dtype: z.enum(['F32', 'F16', 'BF16']),
  /** Tokens that the finished store holds. */
  n_tokens: Count,
  /** Special tokens that were left out of it. */
  n_excluded: Count,
  /** Most padded tokens of a forward pass: part of the order of rows. */
  batch_tokens: Count,
  /** A shard ends with the first batch that fills it to this many tokens. */
  shard_tokens: Count,
  shards: z.array(
    z.strictObject({
      file: z.string(),
      n_tokens: Count,
      /** Batches of the plan that it holds. */
      n_batches: Count,
      size_bytes: Count,
      sha256: Hash,
      /** Per hook, in their order: sum of squares of the shard's activations, before rounding to dtype. */
      sum_squares: z.array(z.number().nonnegative()),
    }),
  ),
})

export type Manifest = z.infer<typeof Manifest>
export type ShardEntry = Manifest['shards'][number]

/** Where the manifest of a store lies. */
export function manifestPath(dir: string): string {
  return join(dir, 'manifest.json')
}

/** Whether a folder holds an activation store, whole or begun. */
export const isStore = (dir: string): Promise<boolean> => pathExists(manifestPath(dir))

/**
 * The manifest of a store, `undefined` where the folder has none.
 * @throws FormatError if it is not one, with the first wrong field.
 */
export async function readManifest(dir: string): Promise<Manifest | undefined> {
  const path = manifestPath(dir)
  if (!(await pathExists(path))) return undefined
  const parsed = Manifest.safeParse(await readJson(path))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new FormatError(
    path,
    `is not the manifest of an activation store: ${issue?.path.join('.') || 'it'}: ${issue?.message}. Capture into another folder, or remove this one.`,
    { cause: parsed.error },
  )
}

/** Tokens in finished shards. */
export function storedTokens(manifest: Manifest): number {
  return manifest.shards.reduce((n, shard) => n + shard.n_tokens, 0)
}

/** Hash (hex) of what is in a store, however it is cut into shards: model, text, sites, order of rows and dtype. */
export function contentHash(manifest: Manifest): string {
  const { model, corpus, hooks, dtype, n_tokens, batch_tokens } = manifest
  const content = [model.hash, corpus.hash, hooks, dtype, n_tokens, batch_tokens]
  return createHash('sha256').update(JSON.stringify(content)).digest('hex')
}

/** sqrt(mean ||x||^2) of one site over the finished shards. */
export function rootMeanSquareNorm(manifest: Manifest, hook: HookName): number {
  const i = manifest.hooks.findIndex(({ name }) => name === hook)
  const total = manifest.shards.reduce((sum, shard) => sum + (shard.sum_squares[i] ?? 0), 0)
  return Math.sqrt(total / storedTokens(manifest))
}

/** What differs between two manifests' settings, in words; empty where a capture of one may go on as the other. */
export function describeDifference(found: Manifest, wanted: Manifest): string[] {
  const pairs: [string, unknown, unknown][] = [
    ['model', found.model.hash, wanted.model.hash],
    ['text', found.corpus.hash, wanted.corpus.hash],
    ['hooks', names(found), names(wanted)],
    ['dtype', found.dtype, wanted.dtype],
    ['n_tokens', found.n_tokens, wanted.n_tokens],
    ['batch_tokens', found.batch_tokens, wanted.batch_tokens],
    ['shard_tokens', found.shard_tokens, wanted.shard_tokens],
  ]
  return pairs
    .filter(([, a, b]) => a !== b)
    .map(([name, a, b]) => `${name} is ${shorten(a)} there, ${shorten(b)} asked`)
}

function names(manifest: Manifest): string {
  return manifest.hooks.map(({ name, width }) => `${name}[${width}]`).join(' ')
}

function shorten(value: unknown): string {
  const text = String(value)
  return /^[0-9a-f]{64}$/.test(text) ? text.slice(0, 12) : text
}
