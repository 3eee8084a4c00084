/** From a suite on disk back to the settings that made it, for the stages that come after training. */
import { resolve } from 'node:path'
import type { PipelineConfig } from '../jobs/index.ts'
import { CliError } from './errors.ts'

/**
 * The suite's own settings; `data` replaces the text to measure and index on.
 * @throws CliError if the folder was not made by `hooke train` or `hooke demo`, or no text is known.
 */
export async function suiteConfig(
  suite: string,
  options: { data?: readonly string[]; textColumn?: string; threads?: number } = {},
): Promise<PipelineConfig> {
  const { readSuiteFile } = await import('../jobs/index.ts')
  const file = await readSuiteFile(resolve(suite))
  if (file?.pipeline === undefined)
    throw new CliError(
      `${suite} has no suite.json of a training. Give the folder that hooke train or hooke demo wrote.`,
    )
  const data = options.data && (await lastingData(options.data))
  if (data === undefined && file.pipeline.data.length === 0)
    throw new CliError(
      `${suite} knows no text of its own: it was trained from an activation store, or imported. Give text with --data.`,
    )
  const { text_column, ...settings } = file.pipeline
  const column = data === undefined ? text_column : options.textColumn
  return {
    ...settings,
    ...(column === undefined ? {} : { text_column: column }),
    out: resolve(suite),
    threads: options.threads ?? file.pipeline.threads,
    ...(data === undefined ? {} : { eval_data: data, index_data: data }),
  }
}

/** Texts as a suite remembers them: absolute paths, and data sets on the Hub by their names. */
export async function lastingData(names: readonly string[]): Promise<string[]> {
  const { lastingDataName } = await import('../hub/index.ts')
  return Promise.all(names.map(lastingDataName))
}
