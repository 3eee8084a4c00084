/** Measured suites as plots take them, read from their folders; and plots written. The only file of this folder that touches files. */

import { join } from 'node:path'
import { writeFileAtomic } from '../files/index.ts'
import { listSuite, readMetrics, readSaeConfig } from '../sae/disk.ts'
import type { PlottedSae, SuitePlot } from './types.ts'

/**
 * The SAEs of a suite that have been measured.
 * @param suite what to call the suite, where several are compared.
 * @throws FileError or FormatError if a file is damaged.
 */
export async function readMeasured(folder: string, suite?: string): Promise<PlottedSae[]> {
  const saes: PlottedSae[] = []
  for (const { hook, d_sae, l0, path } of await listSuite(folder)) {
    const metrics = await readMetrics(path)
    if (metrics === undefined) continue
    const { activation, metadata } = await readSaeConfig(path)
    saes.push({
      ...(suite === undefined ? {} : { suite }),
      hook,
      d_sae,
      l0_target: l0,
      architecture: typeof metadata.trained_as === 'string' ? metadata.trained_as : activation,
      metrics,
    })
  }
  return saes
}

/**
 * Writes every plot as `<folder>/<name>.svg`.
 * @returns their paths.
 * @throws FileError if the disk refuses.
 */
export async function writePlots(folder: string, plots: readonly SuitePlot[]): Promise<string[]> {
  const paths: string[] = []
  for (const { name, svg } of plots) {
    const path = join(folder, `${name}.svg`)
    await writeFileAtomic(path, svg)
    paths.push(path)
  }
  return paths
}
