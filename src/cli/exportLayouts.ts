/** A suite's weights in the layouts of SAELens and Gemma Scope, SAE by SAE. */
import { join } from 'node:path'
import type { SaeEntry } from '../sae/index.ts'
import { CliError } from './errors.ts'

/** What became of an SAE: the path written, or why it was left out. */
export type Exported =
  | { readonly written: string; readonly note?: string }
  | { readonly left_out: string; readonly why: string }

/** What SAELens adds to a frequency before its logarithm is taken: a latent that never fired stands at -10. */
const NEVER = 1e-10

/**
 * One folder an SAE, named as in the suite: cfg.json, sae_weights.safetensors, and sparsity.safetensors (log10 of the share of
 * tokens on which each latent fires) where the suite is indexed.
 * Source: SAELens 6.49, `saes/sae.py` (`save_model`), `training/sae_trainer.py` (`log_feature_sparsity`).
 */
export async function* exportSaelens(
  suite: string,
  entries: readonly SaeEntry[],
  out: string,
): AsyncGenerator<Exported> {
  const { loadSae, saveSae } = await import('../sae/disk.ts')
  const { saeFolder } = await import('../sae/index.ts')
  const { LATENTS_FILE, openLatents } = await import('../latents/disk.ts')
  const { pathExists, removePath, writeFileAtomic } = await import('../files/index.ts')
  const { fromFloat32, writeSafetensors } = await import('../formats/index.ts')
  const { readSuiteFile } = await import('../jobs/index.ts')
  const model = (await readSuiteFile(suite))?.model
  for (const { hook, d_sae, l0, path } of entries) {
    const folder = saeFolder(out, hook, d_sae, l0)
    const sae = await loadSae(path)
    const named = model === undefined ? {} : { model_name: model.name }
    const sparsity = join(folder, 'sparsity.safetensors')
    await removePath(sparsity)
    const isIndexed = await pathExists(join(path, LATENTS_FILE))
    if (isIndexed) {
      const latents = await openLatents(path)
      try {
        const n_active = await latents.column('n_active')
        const log10 = Float32Array.from(n_active, (n) => Math.log10(n / latents.n_tokens + NEVER))
        const tensor = fromFloat32(log10, [d_sae])
        await writeFileAtomic(sparsity, writeSafetensors([['sparsity', tensor]], { format: 'pt' }))
      } finally {
        await latents.close()
      }
    }
    await saveSae(folder, { ...sae, metadata: { ...named, ...sae.metadata } })
    yield {
      written: folder,
      ...(isIndexed ? {} : { note: 'without sparsity.safetensors, as the suite is not indexed' }),
    }
  }
}

/**
 * `<out>-res/layer_L/width_W/average_l0_N/params.npz` and so on, N the measured L0 where metrics are there, else its target. What
 * that layout has no place for is left out.
 * @throws CliError if two SAEs would share one name, before any is written.
 */
export async function* exportGemmaScope(
  _suite: string,
  entries: readonly SaeEntry[],
  out: string,
): AsyncGenerator<Exported> {
  const { loadSae, readMetrics, saveGemmaScope } = await import('../sae/disk.ts')
  /** By hook, width and rounded L0: the layout's names hold no more. */
  const planned = new Map<string, { path: string; average_l0: number }>()
  for (const { hook, hook_out, d_sae, l0, path } of entries) {
    const average_l0 = Math.round((await readMetrics(path))?.l0 ?? l0)
    const name = `${hook}/${hook_out}/${d_sae}/${average_l0}`
    const other = planned.get(name)
    if (other !== undefined)
      throw new CliError(
        `export: ${other.path} and ${path} both have an average L0 of ${average_l0}, so they would share one name. Copy one of them to another suite and export it to another folder.`,
      )
    planned.set(name, { path, average_l0 })
  }
  for (const { path, average_l0 } of planned.values()) {
    const sae = await loadSae(path)
    try {
      yield { written: await saveGemmaScope(out, sae, average_l0) }
    } catch (error) {
      // What it has no name or place for; all else is a failure.
      if (!(error instanceof TypeError)) throw error
      yield { left_out: path, why: error.message }
    }
  }
}
