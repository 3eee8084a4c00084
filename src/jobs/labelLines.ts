/**
 * Labels as JSON lines, out of a workspace and into one. Two forms, told apart line by line:
 *
 *   hooke         {"sae": "blocks.3.hook_resid_post~width_2k~l0_32", "latent": 417, "text": …, "method": "manual", "author": …,
 *                  "evidence": …, "score": …, "score_method": …, "created_at": …, "votes": [{"author": …, "agrees": true}]}
 *   neuronpedia   a row of its explanations: {"modelId": …, "layer": "3-demo-res-2k", "index": 417, "description": …,
 *                  "typeName": …, "authorId" or "explanationModelName": …}
 *
 * An SAE is named without its suite, so that labels move between copies of it. What is imported is claimed by whom the file says.
 */
import { basename } from 'node:path'
import { z } from 'zod'
import { escapeControls } from '../formats/index.ts'
import { explanationRow, type NeuronpediaSource } from '../latents/index.ts'
import { listSuite } from '../sae/disk.ts'
import {
  addLabels,
  addVotes,
  type Database,
  type LabelEntry,
  refreshStatistics,
  type SaeId,
  type StoredLabel,
  suiteLabels,
  type VoteEntry,
} from '../store/index.ts'
import { saeId } from './importSuite.ts'
import { neuronpediaSource } from './neuronpediaSource.ts'

export const LABEL_FORMATS = ['hooke', 'neuronpedia'] as const
type LabelFormat = (typeof LABEL_FORMATS)[number]

/** How the SAEs of one suite are called, here and in Neuronpedia's files. */
type SuiteNames = {
  readonly suite: string
  readonly saes: ReadonlyMap<SaeId, { readonly d_sae: number }>
  readonly sources: ReadonlyMap<SaeId, NeuronpediaSource>
  /** SAEs that cannot be named in Neuronpedia's form, and why. */
  readonly nameless: ReadonlyMap<SaeId, string>
}

/** The names of the SAEs in a suite's folder. */
export async function suiteNames(suite_folder: string): Promise<SuiteNames> {
  const suite = basename(suite_folder)
  const entries = await listSuite(suite_folder)
  const saes = new Map(entries.map((entry) => [saeId(suite, entry), { d_sae: entry.d_sae }]))
  const sources = new Map<SaeId, NeuronpediaSource>()
  const nameless = new Map<SaeId, string>()
  for (const entry of entries) {
    const source = await neuronpediaSource(suite_folder, entry, entries)
    if ('why' in source) nameless.set(saeId(suite, entry), source.why)
    else sources.set(saeId(suite, entry), source)
  }
  return { suite, saes, sources, nameless }
}

/** The labels in force of a suite as lines, by SAE and latent. In Neuronpedia's form those of nameless SAEs are left out. */
export async function* exportLabels(
  db: Database,
  names: SuiteNames,
  format: LabelFormat,
): AsyncGenerator<string> {
  for await (const label of suiteLabels(db, names.suite)) {
    const source = names.sources.get(label.sae)
    if (format === 'hooke') yield `${JSON.stringify(hookeRow(label))}\n`
    else if (source) yield `${JSON.stringify(explanationRow(source, label))}\n`
  }
}

const withoutSuite = (sae: SaeId): string => sae.slice(sae.indexOf('~') + 1)

const hookeRow = ({ sae, latent, text, method, author, evidence, ...rest }: StoredLabel) => ({
  ...{ sae: withoutSuite(sae), latent, text, method, author, evidence },
  score: rest.score,
  score_method: rest.score_method,
  created_at: rest.created_at,
  votes: rest.votes,
})

const LONGEST_TEXT = 2_000
const LONGEST_NAME = 200
const Text = z.string().trim().min(1).max(LONGEST_TEXT)
const Name = z.string().trim().min(1).max(LONGEST_NAME)

const HookeLine = z.strictObject({
  sae: z.string(),
  latent: z.int().min(0),
  text: Text,
  method: z.enum(['manual', 'lexical', 'llm']),
  author: Name,
  evidence: z.string().max(LONGEST_TEXT).default(''),
  score: z.number().optional(),
  score_method: Name.optional(),
  created_at: z.iso.datetime().optional(),
  votes: z.array(z.strictObject({ author: Name, agrees: z.boolean() })).default([]),
})

const NeuronpediaLine = z.object({
  layer: z.string(),
  index: z.union([z.int().min(0), z.string().regex(/^\d+$/).transform(Number)]),
  description: Text,
  typeName: Name.nullish(),
  explanationModelName: Name.nullish(),
  authorId: Name.nullish(),
})

type Line = Omit<LabelEntry, 'sae'> & { sae: string; votes: { author: string; agrees: boolean }[] }

/** What was read of a file: all of it, or which lines are not labels of this suite. */
type LabelLines = {
  readonly n_lines: number
  readonly labels: readonly LabelEntry[]
  readonly votes: readonly VoteEntry[]
  readonly bad: readonly { readonly line: number; readonly problem: string }[]
}

/**
 * Reads lines in either form; blank ones are skipped.
 * @param sae the SAE that every line is about, whatever it says; else each line names its own.
 */
function parseLabelLines(text: string, names: SuiteNames, sae?: SaeId): LabelLines {
  const ours = new Map([...names.saes.keys()].map((id) => [withoutSuite(id), id]))
  const theirs = new Map([...names.sources].map(([id, source]) => [source.id, id]))
  const labels: LabelEntry[] = []
  const votes: VoteEntry[] = []
  const bad: { line: number; problem: string }[] = []
  let n_lines = 0
  for (const [at, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    n_lines++
    try {
      const { votes: cast, ...read } = parseLine(line)
      // A line that was exported elsewhere may name the suite there as well.
      const name = read.sae.split('~').length === 4 ? withoutSuite(read.sae) : read.sae
      const id = sae ?? ours.get(name) ?? theirs.get(name)
      const d_sae = id === undefined ? undefined : names.saes.get(id)?.d_sae
      if (id === undefined || d_sae === undefined)
        throw new RangeError(
          `names the SAE ${JSON.stringify(name.slice(0, LONGEST_NAME))}, expected one of ${listed(name.includes('~') ? ours : theirs)}`,
        )
      if (read.latent >= d_sae)
        throw new RangeError(`latent is ${read.latent}, expected 0 to ${d_sae - 1}`)
      labels.push({ ...read, sae: id })
      const { latent, method, author: label_author } = read
      votes.push(...cast.map((vote) => ({ sae: id, latent, method, label_author, ...vote })))
    } catch (error) {
      if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error
      bad.push({ line: at + 1, problem: error.message })
    }
  }
  return { n_lines, labels, votes, bad }
}

function listed(names: ReadonlyMap<string, SaeId>): string {
  const more = names.size - MOST_NAMED
  return `${[...names.keys()].slice(0, MOST_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** @throws SyntaxError where it is not JSON; RangeError where it is neither form. */
function parseLine(line: string): Line {
  const value: unknown = JSON.parse(line)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RangeError(`is ${line.slice(0, 40)}, expected a JSON object`)
  if (!('description' in value)) return checked(HookeLine, value)
  const row = checked(NeuronpediaLine, value)
  return {
    ...{ sae: row.layer, latent: row.index, text: row.description, votes: [] },
    ...claimant(row),
    evidence: row.typeName ? `imported: ${row.typeName}` : 'imported',
  }
}

/** Who says so: our own kinds by their name, people by theirs, all else is a language model's or a program's. */
function claimant({
  typeName,
  explanationModelName: model,
  authorId,
}: z.infer<typeof NeuronpediaLine>): Pick<LabelEntry, 'method' | 'author'> {
  if (typeName === 'hooke_lexical') return { method: 'lexical', author: 'hooke lexical' }
  if (typeName === 'hooke_manual' || !(typeName || model))
    return { method: 'manual', author: authorId ?? 'neuronpedia' }
  return { method: 'llm', author: model ?? typeName ?? 'neuronpedia' }
}

function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw new RangeError(
    parsed.error.issues
      .map(({ path, message }) => (path.length > 0 ? `${path.join('.')}: ${message}` : message))
      .join('; '),
  )
}

/** Lines or SAEs that a message names, before it only counts. */
const MOST_NAMED = 10

/** Lines that are not labels of the suite; nothing was imported. */
class LabelLinesError extends RangeError {
  constructor(file: string, bad: LabelLines['bad'], n_lines: number) {
    const named = bad
      .slice(0, MOST_NAMED)
      .map(({ line, problem }) => `  line ${line}: ${escapeControls(problem)}`)
    if (bad.length > MOST_NAMED) named.push(`  and ${bad.length - MOST_NAMED} more`)
    super(
      `${file}: ${bad.length} of ${n_lines} lines cannot be imported, so none was. Correct them, or take them out.\n${named.join('\n')}`,
    )
    this.name = 'LabelLinesError'
  }
}

/**
 * Enters the labels of a file with their votes: a label replaces the one in force by the same method and author, one that says
 * the same adds nothing.
 * @param file named in messages.
 * @throws LabelLinesError before anything is entered, where a line is bad.
 */
export async function importLabels(
  db: Database,
  names: SuiteNames,
  from: { readonly file: string; readonly text: string; readonly sae?: SaeId | undefined },
): Promise<{ n_lines: number; n_labels: number; n_votes: number }> {
  const { n_lines, labels, votes, bad } = parseLabelLines(from.text, names, from.sae)
  if (bad.length > 0) throw new LabelLinesError(from.file, bad, n_lines)
  const n_labels = await addLabels(db, labels)
  if (n_labels > 0) await refreshStatistics(db)
  const n_votes = votes.length > 0 ? await addVotes(db, votes) : 0
  return { n_lines, n_labels, n_votes }
}
