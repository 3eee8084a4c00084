/** `hooke labels`: the labels of a suite to a file and from one. */
import { basename, resolve } from 'node:path'
import { gunzipSync } from 'node:zlib'
import type { Command } from 'commander'
import type { SaeEntry } from '../sae/index.ts'
import { CliError } from './errors.ts'
import { type Context, oneOf } from './options.ts'
import { openSuiteDatabase, suiteEntries } from './workspace.ts'

const FORMATS = ['hooke', 'neuronpedia'] as const

type ExportOptions = { out: string; format: (typeof FORMATS)[number]; json?: boolean }
type ImportOptions = { sae?: string; json?: boolean }

export function addLabelsCommand(program: Command, { signal }: Context): void {
  const labels = program
    .command('labels')
    .summary('write the labels of a suite to a file of JSON lines, or read them from one')
    .description(
      [
        'One label a line, with who says so. Two forms, told apart by themselves when they are read:',
        '  hooke         every label in force, with its evidence, score, date and votes',
        '  neuronpedia   rows of its explanations; scores and votes have no place there',
      ].join('\n'),
    )
  labels
    .command('export')
    .summary('write the labels in force')
    .argument('<suite>', 'folder of the suite')
    .requiredOption('--out <file>', 'file to write, e.g. labels.jsonl')
    .option('--format <name>', FORMATS.join(', '), oneOf(FORMATS), 'hooke')
    .option('--json', 'print the result as JSON')
    .action((suite: string, options: ExportOptions) => exportTo(suite, options, signal))
  labels
    .command('import')
    .summary('enter labels under the names of their authors, or none where a line is bad')
    .argument('<suite>', 'folder of the suite')
    .argument('<file>', 'JSON lines in either form, also packed (.gz)')
    .option(
      '--sae <name>',
      'SAE that every line is about, whatever it names: a site, or a site with width and L0',
    )
    .option('--json', 'print the result as JSON')
    .action(importFrom)
}

async function exportTo(suite: string, options: ExportOptions, signal: AbortSignal): Promise<void> {
  const { writeFileAtomic } = await import('../files/index.ts')
  const { exportLabels, suiteNames } = await import('../jobs/index.ts')
  const db = await openSuiteDatabase(suite)
  try {
    const names = await suiteNames(resolve(suite))
    let n_labels = 0
    const bytes = async function* () {
      const encoder = new TextEncoder()
      for await (const line of exportLabels(db, names, options.format)) {
        signal.throwIfAborted()
        n_labels++
        yield encoder.encode(line)
      }
    }
    await writeFileAtomic(options.out, bytes())
    console.log(
      options.json
        ? JSON.stringify({ file: options.out, n_labels })
        : `${options.out}: ${n_labels} labels`,
    )
    if (options.format === 'hooke' || names.nameless.size === 0) return
    for (const [sae, why] of names.nameless) console.error(`left out: ${sae}: ${why}`)
    throw new Error(
      `${names.nameless.size} SAEs have no name in Neuronpedia's form; the labels of the others are written. --format hooke holds all.`,
    )
  } finally {
    await db.close()
  }
}

async function importFrom(suite: string, file: string, options: ImportOptions): Promise<void> {
  const { importLabels, saeId, suiteNames } = await import('../jobs/index.ts')
  const entries = await suiteEntries(suite)
  const sae =
    options.sae === undefined
      ? undefined
      : saeId(basename(resolve(suite)), namedSae(options.sae, entries))
  const text = await readLines(file)
  const db = await openSuiteDatabase(suite)
  try {
    const done = await importLabels(db, await suiteNames(resolve(suite)), { file, text, sae })
    console.log(
      options.json
        ? JSON.stringify({ file, ...done })
        : `${file}: ${done.n_lines} lines read, ${done.n_labels} labels and ${done.n_votes} votes entered`,
    )
  } finally {
    await db.close()
  }
}

/** `blocks.3.hook_resid_post`, or with `/width_2k/l0_32` where there are several. @throws CliError where it is not just one. */
function namedSae(name: string, entries: readonly SaeEntry[]): SaeEntry {
  const matches = entries.filter(({ hook, path }) => hook === name || path.endsWith(`/${name}`))
  const [entry] = matches
  if (entry !== undefined && matches.length === 1) return entry
  const among = (matches.length > 0 ? matches : entries).map(({ path }) =>
    path.split('/').slice(-3).join('/'),
  )
  throw new CliError(`--sae is ${name}, expected one of ${among.join(', ')}.`)
}

/** Unpacked, a file may be as long as a text can be. */
const MOST_BYTES = 2 ** 29

async function readLines(file: string): Promise<string> {
  const { readBytes, readText } = await import('../files/index.ts')
  if (!file.endsWith('.gz')) return readText(file)
  const { FormatError } = await import('../formats/index.ts')
  const packed = await readBytes(file)
  try {
    return gunzipSync(packed, { maxOutputLength: MOST_BYTES }).toString('utf8')
  } catch (cause) {
    const what = `is not a file packed by gzip of at most ${MOST_BYTES >> 20} MiB, as its name says. Unpack it, or cut it in parts.`
    throw new FormatError(file, what, { cause })
  }
}
