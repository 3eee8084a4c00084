/** What training could not finish of a suite, said where its results are shown. */
import { resolve } from 'node:path'

/** One line for each SAE of a suite that failed. */
export async function failureLines(suite: string): Promise<string[]> {
  const { readFailure, readSuiteFile } = await import('../jobs/index.ts')
  const { saeFolder } = await import('../sae/index.ts')
  const lines: string[] = []
  for (const { hook, d_sae, l0 } of (await readSuiteFile(resolve(suite)))?.saes ?? []) {
    const folder = saeFolder(resolve(suite), hook, d_sae, l0)
    const failure = await readFailure(folder)
    if (failure === undefined) continue
    const { step, reason, last_good_step } = failure
    const kept =
      last_good_step === undefined
        ? ''
        : ` Its weights of step ${last_good_step} are in ${folder}/last_good.safetensors.`
    lines.push(
      `${hook}, ${d_sae} latents, L0 ${l0}: training failed at step ${step}: ${reason}.${kept}`,
    )
  }
  return lines
}
