/** A suite's model and text, for what must know where latents fire and where they do not. */
import { readCorpus, type TokenCorpus } from '../activations/index.ts'
import { renderPull, resolveModel } from '../hub/index.ts'
import { type Activity, type Half, readActivities } from '../label/index.ts'
import { type Model, openModel } from '../model/index.ts'
import { loadSae } from '../sae/disk.ts'
import { openRunner, type SaeEntry, type SaeRunner } from '../sae/index.ts'
import { heldModel } from './hold.ts'
import { readSuiteFile } from './suiteFile.ts'

export type SuiteText = {
  readonly model: Model
  /** [d_vocab] */
  readonly pieces: readonly string[]
  /** Runs the model once over one half of the text and keeps where the latents of each SAE fire: memory for all of them. */
  activities(entries: readonly SaeEntry[], half: Half, onProgress: OnProgress): Promise<Activity[]>
  close(): Promise<void>
}

/** @param share 0 to 1 */
type OnProgress = (message: string, share: number) => void

export type SuiteTextOptions = {
  /** Text instead of the suite's own. */
  readonly data?: readonly string[] | undefined
  readonly text_column?: string | undefined
  /** Tokens of one half to read. */
  readonly n_tokens: number
  readonly signal: AbortSignal
  /** Told while the model is fetched. */
  readonly onProgress: OnProgress
  readonly hold?: (() => Promise<void> | undefined) | undefined
}

/**
 * Opens the model of a suite and the text that its index was made from, or `data`.
 * @throws TypeError if the suite does not say which model, no text is known, or the model has no tokenizer.
 */
export async function openSuiteText(suite: string, options: SuiteTextOptions): Promise<SuiteText> {
  const { data, n_tokens, signal } = options
  const file = await readSuiteFile(suite)
  if (file === undefined)
    throw new TypeError(
      `${suite} has no suite.json, so that its model is not known. Import it with hooke import.`,
    )
  const sources = data ?? file.pipeline?.index_data ?? file.pipeline?.data ?? []
  if (sources.length === 0)
    throw new TypeError(`${suite} knows no text of its own. Give text with --data.`)
  const path = await resolveModel(file.model.path, {
    signal,
    onProgress: (progress) => options.onProgress(renderPull(progress), 0),
  })
  const weights = file.pipeline?.weights
  const model = await openModel(path, weights && { weights })
  const { tokenizer } = model
  if (!tokenizer) {
    await model.close()
    throw new TypeError(`${model.name} has no tokenizer.json, so text cannot be read.`)
  }
  const held = options.hold ? heldModel(model, options.hold) : model
  const text_column = data ? options.text_column : file.pipeline?.text_column
  let corpus: TokenCorpus | undefined
  return {
    model: held,
    pieces: tokenizer.pieces,
    async activities(entries, half, onProgress) {
      onProgress('reading the text', 0)
      corpus ??= await readCorpus(sources, tokenizer, {
        n_ctx: model.config.n_ctx,
        // Half of the documents are for explaining, half for scoring.
        hub_tokens: 3 * n_tokens,
        ...(text_column === undefined ? {} : { text_column }),
        signal,
      })
      const runners: SaeRunner[] = []
      const what = entries.length === 1 ? entries[0]?.hook : `${entries.length} dictionaries`
      try {
        for (const { path } of entries) runners.push(await openRunner(await loadSae(path)))
        return await readActivities(held, runners, corpus, {
          half,
          n_tokens,
          signal,
          onProgress: (done, of) => onProgress(`where the latents of ${what} fire`, done / of),
        })
      } finally {
        for (const runner of runners) await runner.close()
      }
    },
    close: () => model.close(),
  }
}
