/** The stream of activations that a suite is trained from. */
import { join } from 'node:path'
import { z } from 'zod'
import {
  type ActivationStream,
  openStream,
  type StreamOptions,
  type TokenCorpus,
} from '../activations/index.ts'
import { pathExists, readJson, writeJson } from '../files/index.ts'
import { resolveModel } from '../hub/index.ts'
import type { Model } from '../model/index.ts'
import { checkpointFolder } from '../train/index.ts'
import type { PipelineConfig } from './config.ts'

const Norms = z.object({ hash: z.string(), by_hook: z.record(z.string(), z.number()) })

/** Beside the checkpoints, and removed with them. */
const normsPath = (suite: string): string => join(checkpointFolder(suite), 'norms.json')

/**
 * Opens the stream of a suite; the sites' norms are measured once and kept beside its checkpoints.
 * @throws as `openStream`.
 */
export async function openSuiteStream(
  model: Model,
  corpus: TokenCorpus,
  config: PipelineConfig,
  options: Pick<StreamOptions, 'hooks'> & {
    readonly bucket_tokens: number
    readonly signal: AbortSignal
    readonly onCapture: NonNullable<StreamOptions['onCapture']>
  },
): Promise<ActivationStream> {
  const { out, dtype, weights, threads, n_tokens, batch_size } = config
  const path = normsPath(out)
  const known = (await pathExists(path)) ? Norms.safeParse(await readJson(path)).data : undefined
  const stream = await openStream(model, corpus, {
    model_path: await resolveModel(config.model, { signal: options.signal }),
    dtype,
    ...(weights && { weights }),
    threads,
    n_rows: Math.floor(n_tokens / batch_size) * batch_size,
    ...(known === undefined ? {} : { norms: known }),
    ...options,
  })
  if (known?.hash !== stream.hash) await writeJson(path, stream.norms)
  return stream
}
