/** SAEs in folders as sites to compare at. The only file of this folder that touches files. */
import { join } from 'node:path'
import { pathExists } from '../files/index.ts'
import { LATENTS_FILE, openLatents } from '../latents/disk.ts'
import type { HookName } from '../model/index.ts'
import { loadSae } from '../sae/disk.ts'
import { openRunner } from '../sae/index.ts'
import type { CompareSite, OpenSite } from './types.ts'

/** The SAE in a folder: opened when its turn comes, with densities and maxima once it is indexed, and closed after it. */
export function siteOn(
  dir: string,
  { id, hook, threads }: { id: string; hook: HookName; threads: number },
): CompareSite {
  const open = async (): Promise<OpenSite> => {
    const runner = await openRunner(await loadSae(dir), { threads })
    const measured = await readMeasured(dir)
    return { runner, ...(measured ? { measured } : {}), close: () => runner.close() }
  }
  return { id, hook, open }
}

async function readMeasured(dir: string): Promise<OpenSite['measured']> {
  if (!(await pathExists(join(dir, LATENTS_FILE)))) return undefined
  const latents = await openLatents(dir)
  try {
    const n_active = await latents.column('n_active')
    const density = Float32Array.from(n_active, (n) => n / latents.n_tokens)
    return { density, max_act: await latents.column('max_act') }
  } finally {
    await latents.close()
  }
}
