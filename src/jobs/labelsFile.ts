/** labels.json: automatic labels of one SAE beside its weights, so that a copied folder brings them along. */
import { join } from 'node:path'
import { z } from 'zod'
import { pathExists, readJson, writeFileAtomic } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { LexicalClaim } from '../label/index.ts'

const LabelsJson = z.strictObject({
  method: z.enum(['lexical', 'llm']),
  /** `hooke lexical`, or the language model's id. */
  author: z.string(),
  /** One a latent; latents without one are absent. */
  labels: z.array(
    z.strictObject({
      latent: z.int().min(0),
      text: z.string(),
      evidence: z.string(),
      /** Share of the examples shown on which the label holds; absent for a dead latent. */
      confidence: z.number().min(0).max(1).optional(),
      /** What the text says as data; lexical labels only, absent in files of earlier versions. */
      claim: LexicalClaim.optional(),
    }),
  ),
})

export type LabelsFile = z.infer<typeof LabelsJson>

/** The file in an SAE's folder. */
export const LABELS_FILE = 'labels.json'

const pathIn = (sae_folder: string): string => join(sae_folder, LABELS_FILE)

/** @returns undefined where the SAE has none yet. @throws FormatError if it is not what this program writes. */
export async function readLabelsFile(sae_folder: string): Promise<LabelsFile | undefined> {
  const path = pathIn(sae_folder)
  if (!(await pathExists(path))) return undefined
  const parsed = LabelsJson.safeParse(await readJson(path))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new FormatError(
    path,
    `${issue?.path.join('.')}: ${issue?.message}. Delete the file and label the suite again.`,
  )
}

/** Writes labels.json in one step. */
export async function writeLabelsFile(
  sae_folder: string,
  { labels, ...head }: LabelsFile,
): Promise<void> {
  // A line a label: indented, claims would make the file four times as long.
  const lines = labels.map((label) => JSON.stringify(label)).join(',\n')
  const text = `${JSON.stringify(head).slice(0, -1)},"labels":[\n${lines}\n]}\n`
  await writeFileAtomic(pathIn(sae_folder), text)
}
