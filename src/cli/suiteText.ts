/** A suite's model and text, for what must know where latents fire and where they do not. */
import type { TokenCorpus } from '../activations/index.ts'
import type { Activity, Half } from '../label/index.ts'
import type { Model } from '../model/index.ts'
import type { SaeEntry } from '../sae/index.ts'
import { CliError } from './errors.ts'
import { fetchModel } from './pull.ts'
import type { Progress } from './terminal.ts'

export type SuiteText = {
  readonly model: Model
  /** Runs the model over one half of the text and keeps where the SAE's latents fire. */
  activity(entry: SaeEntry, half: Half): Promise<Activity>
  close(): Promise<void>
}

/**
 * Opens the model of a suite and the text that its index was made from, or `data`.
 * @throws CliError if the suite does not say which model, or no text is known.
 */
export async function openSuiteText(
  suite: string,
  {
    data,
    textColumn,
    tokens,
    progress,
    signal,
  }: {
    data?: readonly string[] | undefined
    textColumn?: string | undefined
    tokens: number
    progress: Progress
    signal: AbortSignal
  },
): Promise<SuiteText> {
  const { readSuiteFile } = await import('../jobs/index.ts')
  const { readCorpus } = await import('../activations/index.ts')
  const { openModel } = await import('../model/index.ts')
  const { loadSae } = await import('../sae/disk.ts')
  const { openRunner } = await import('../sae/index.ts')
  const { readActivity } = await import('../label/index.ts')
  const file = await readSuiteFile(suite)
  if (file === undefined)
    throw new CliError(
      `${suite} has no suite.json, so that its model is not known. Import it with hooke import.`,
    )
  const names = data ?? file.pipeline?.index_data ?? file.pipeline?.data ?? []
  if (names.length === 0)
    throw new CliError(`${suite} knows no text of its own. Give text with --data.`)
  const model = await openModel(await fetchModel(file.model.path, signal))
  const { tokenizer } = model
  if (!tokenizer) {
    await model.close()
    throw new CliError(`${model.name} has no tokenizer.json, so text cannot be read.`)
  }
  let corpus: TokenCorpus | undefined
  return {
    model,
    async activity(entry, half) {
      progress.update('reading the text')
      corpus ??= await readCorpus(names, tokenizer, {
        n_ctx: model.config.n_ctx,
        // Half of the documents are for explaining, half for scoring.
        hub_tokens: 3 * tokens,
        ...((data ? textColumn : file.pipeline?.text_column) === undefined
          ? {}
          : { text_column: data ? textColumn : file.pipeline?.text_column }),
        signal,
      })
      const runner = await openRunner(await loadSae(entry.path))
      try {
        return await readActivity(model, runner, corpus, {
          half,
          n_tokens: tokens,
          signal,
          onProgress: (done, of) =>
            progress.update(`${entry.hook}: where its latents fire`, done / of),
        })
      } finally {
        await runner.close()
      }
    },
    close: () => model.close(),
  }
}

/** A suite's vocabulary as people read it. @throws CliError where it has none. */
export async function piecesOf(command: string, suite: string): Promise<readonly string[]> {
  const { readPieces } = await import('../jobs/index.ts')
  const pieces = await readPieces(suite)
  if (pieces) return pieces
  throw new CliError(
    `${command}: ${suite} has no pieces.json, the model's vocabulary. Run hooke index ${suite} first.`,
  )
}
