/** Options of every command that generates text. */
import type { Command } from 'commander'
import type { GenerateOptions } from '../model/index.ts'
import { realNumber, wholeNumber } from './options.ts'

export type SamplingFlags = {
  maxTokens?: number
  temperature: number
  topK: number
  topP: number
  seed: number
}

/** Adds the options, with the command's own defaults. */
export function addSamplingOptions(
  command: Command,
  defaults: { temperature: number; max_tokens?: number },
): Command {
  return command
    .option(
      '--max-tokens <n>',
      'most new tokens a text (default: what the context holds)',
      wholeNumber(1),
      defaults.max_tokens,
    )
    .option('--temperature <t>', '0 is greedy', realNumber(0, 100), defaults.temperature)
    .option('--top-k <k>', 'choose among the k most probable tokens (0: all)', wholeNumber(0), 0)
    .option(
      '--top-p <p>',
      'choose among the most probable tokens of this total',
      realNumber(0, 1),
      1,
    )
    .option('--seed <n>', 'the same seed gives the same text', wholeNumber(0), 0)
}

/** The options as the model takes them. */
export function samplingOf(
  flags: SamplingFlags,
): Pick<GenerateOptions, 'max_tokens' | 'temperature' | 'top_k' | 'top_p' | 'seed'> {
  return {
    temperature: flags.temperature,
    seed: flags.seed,
    ...(flags.topK === 0 ? {} : { top_k: flags.topK }),
    ...(flags.topP === 1 ? {} : { top_p: flags.topP }),
    ...(flags.maxTokens === undefined ? {} : { max_tokens: flags.maxTokens }),
  }
}
