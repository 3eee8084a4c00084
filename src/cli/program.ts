/** The command tree. Commands load what they need when they run, so that `--help` is instant. */
import { Command } from 'commander'
import { packageVersion } from '../files/index.ts'
import { addBenchCommand } from './bench.ts'
import { addCaptureCommand } from './capture.ts'
import { addCheckCommand } from './check.ts'
import { addCompareCommand } from './compare.ts'
import { addDemoCommand } from './demo.ts'
import { addEmbedCommand } from './embed.ts'
import { addEvalCommand } from './eval.ts'
import { addExportCommand } from './export.ts'
import { addGenerateCommand } from './generate.ts'
import { addImportCommand } from './import.ts'
import { addIndexCommand } from './indexCommand.ts'
import { addLabelCommand } from './label.ts'
import { addLabelsCommand } from './labels.ts'
import { addMcpCommand } from './mcp.ts'
import type { Context } from './options.ts'
import { addPullCommand } from './pull.ts'
import { addPushCommand } from './push.ts'
import { addRunCommand } from './run.ts'
import { addScoreCommand } from './score.ts'
import { addSearchCommand } from './search.ts'
import { addServeCommand } from './serve.ts'
import { addSteerCommand } from './steer.ts'
import { addTrainCommand } from './train.ts'

/** The whole command line, ready to parse. It throws where it fails; ending the process is main.ts's. */
export function createProgram(context: Context): Command {
  const program = new Command('hooke')
    .description(
      'A microscope for language models: train, label, search and steer sparse autoencoders.',
    )
    .version(packageVersion())
    .option('--offline', 'ask nothing of the Hub: only what was fetched before (HF_HUB_OFFLINE=1)')
    .hook('preAction', () => {
      // Worker threads and everything that asks the Hub read it there.
      if (program.opts().offline) process.env.HF_HUB_OFFLINE = '1'
    })
    .showHelpAfterError('(hooke COMMAND --help shows how it is used)')
    .exitOverride()
  const adders = [
    addDemoCommand,
    addServeCommand,
    addMcpCommand,
    addRunCommand,
    addGenerateCommand,
    addCaptureCommand,
    addTrainCommand,
    addEvalCommand,
    addCheckCommand,
    addIndexCommand,
    addLabelCommand,
    addLabelsCommand,
    addScoreCommand,
    addEmbedCommand,
    addSearchCommand,
    addSteerCommand,
    addCompareCommand,
    addPullCommand,
    addImportCommand,
    addExportCommand,
    addPushCommand,
    addBenchCommand,
  ]
  for (const add of adders) add(program, context)
  for (const command of program.commands)
    command.exitOverride().showHelpAfterError('(--help shows how it is used)')
  return program
}
