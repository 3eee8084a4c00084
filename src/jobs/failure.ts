/** failed.json: why training stopped one SAE of a suite. It stands in the SAE's folder instead of the SAE. */
import { join } from 'node:path'
import { z } from 'zod'
import { pathExists, readJson } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import type { TrainFailure } from '../train/index.ts'

const FAILED_FILE = 'failed.json'

const Failure = z.object({
  step: z.int().min(0),
  reason: z.string(),
  last_good_step: z.int().min(0).exactOptional(),
})

/** @returns undefined where the SAE did not fail. @throws FormatError if the file is not what training writes. */
export async function readFailure(sae_folder: string): Promise<TrainFailure | undefined> {
  const path = join(sae_folder, FAILED_FILE)
  if (!(await pathExists(path))) return undefined
  const parsed = Failure.safeParse(await readJson(path))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new FormatError(
    path,
    `${issue?.path.join('.')}: ${issue?.message}. Delete it to train again.`,
  )
}
