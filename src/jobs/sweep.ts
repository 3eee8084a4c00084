/** What killed runs leave in a suite's folder, removed when the next one begins. */
import { join } from 'node:path'
import { removePath, sweepLeftovers } from '../files/index.ts'
import { saeFolder } from '../sae/index.ts'
import { checkpointFolder, removeCheckpoints } from '../train/index.ts'
import type { SuiteFile } from './suiteFile.ts'

/** Where a suite's activations lie until it is trained. */
export const activationsFolder = (suite: string): string => join(suite, 'activations')

/** Removes half-written files of dead writers from a suite's folders. */
export async function sweepSuite(out: string, { saes }: SuiteFile): Promise<void> {
  const folders = saes.map(({ hook, d_sae, l0 }) => saeFolder(out, hook, d_sae, l0))
  await sweepLeftovers([out, checkpointFolder(out), ...folders])
}

/** Removes what a suite needs only until it is trained, where a run was killed before it could. */
export async function sweepTrained(
  out: string,
  { keep_activations = false }: { keep_activations?: boolean | undefined },
): Promise<void> {
  await removeCheckpoints(out)
  if (!keep_activations) await removePath(activationsFolder(out))
}
