/** `hooke label`: labels by hand, from words, or by a language model. */
import { basename, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { ExplainerName } from '../label/index.ts'
import { ASK_HELP, addAskOptions } from './askOptions.ts'
import { CliError } from './errors.ts'
import { type LabelByModelFlags, labelByModel } from './labelByModel.ts'
import { type Context, TEXT_COLUMN, wholeNumber } from './options.ts'
import { runStages } from './pipelineRun.ts'
import { suiteConfig } from './suiteConfig.ts'
import { openSuiteDatabase, parseLatent, suiteEntries } from './workspace.ts'

type Options = LabelByModelFlags & {
  latent?: string
  author: string
  /** `llm` is another name of `contexts`. */
  explainer: 'lexical' | 'llm' | ExplainerName
}

export function addLabelCommand(program: Command, { signal }: Context): void {
  const command = program
    .command('label')
    .summary('label latents by hand, from words, or by a language model')
    .description(
      [
        'hooke label SUITE --latent HOOK/INDEX "text"   a label of your own',
        'hooke label SUITE                              a lexical label for every latent, from the words around it',
        'hooke label SUITE --explainer contexts         a language model reads top examples, next tokens and raised tokens',
        '                              pairs            every token with its activation, 0 to 10',
        '                              contrastive      top examples beside near misses, texts that look alike',
        '',
        ASK_HELP,
      ].join('\n'),
    )
    .argument('<suite>', 'folder of the suite')
    .argument('[text]', 'the label, with --latent')
    .option('--latent <hook/index>', 'the latent that [text] labels')
    .option('--author <name>', 'who says so, with --latent', process.env.USER ?? 'me')
    .addOption(
      new Option('--explainer <how>', 'who labels')
        .choices(['lexical', 'pairs', 'contexts', 'contrastive', 'llm'])
        .default('lexical'),
    )
    .option(
      '--data <files...>',
      "text that lexical labels take their words' frequencies from, and near misses come from (default: the suite's own)",
    )
    .option('--text-column <name>', TEXT_COLUMN)
    .option('--latents <n>', 'label the n most used latents of each SAE', wholeNumber(1), 200)
    .option(
      '--tokens <n>',
      'tokens of text that near misses are looked for in',
      wholeNumber(1),
      100_000,
    )
  addAskOptions(command)
  command.action(async (suite: string, text: string | undefined, options: Options) => {
    if ((text === undefined) !== (options.latent === undefined))
      throw new CliError('label: a text and --latent HOOK/INDEX go together.')
    if (text !== undefined && options.latent !== undefined) {
      await labelByHand(suite, text, options.latent, options)
    } else if (options.explainer === 'lexical') {
      await runStages(await suiteConfig(suite, options), {
        stages: ['label'],
        signal,
      })
      await (await openSuiteDatabase(suite)).close()
      console.log(`${suite}: every latent that was indexed has a lexical label`)
    } else {
      const explainer = options.explainer === 'llm' ? 'contexts' : options.explainer
      await labelByModel(suite, explainer, options, signal)
    }
  })
}

async function labelByHand(
  suite: string,
  text: string,
  name: string,
  options: Options,
): Promise<void> {
  const { addLabel } = await import('../store/index.ts')
  const { saeId } = await import('../jobs/index.ts')
  const { entry, latent } = parseLatent(name, await suiteEntries(suite))
  const db = await openSuiteDatabase(suite)
  try {
    const sae = saeId(basename(resolve(suite)), entry)
    const label = await addLabel(db, {
      sae,
      latent,
      text,
      method: 'manual',
      author: options.author,
      evidence: 'by hand',
    })
    console.log(
      options.json
        ? JSON.stringify(label)
        : `${entry.hook}/${latent}: "${label.text}" by ${label.author}`,
    )
  } finally {
    await db.close()
  }
}
