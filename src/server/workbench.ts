/** Open models and SAEs of the inference thread: opened when first asked for, SAEs closed when least recently used. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hubSettings, resolveModel } from '../hub/index.ts'
import { LATENTS_FILE, openLatents } from '../latents/disk.ts'
import { type HookName, type Model, type OpenModelOptions, openModel } from '../model/index.ts'
import { loadSae, readSaeConfig } from '../sae/disk.ts'
import { checkFits, openRunner, SAELENS_FILES, type SaeRunner } from '../sae/index.ts'
import { type ModelName, OpenModels } from './openModels.ts'

/** Weights of open SAEs are kept up to this size. */
const MAX_SAE_BYTES = 1.5 * 2 ** 30

/** What was measured about an SAE's latents, one number a latent. */
type Measured = { readonly density: Float32Array; readonly max_act: Float32Array }

/** How the bench opens models; SAEs take as many threads. */
export type ModelSettings = OpenModelOptions & { readonly threads: number }

/** An SAE and its index, each with the time at which its file was written. */
type OpenSae = {
  readonly runner: SaeRunner
  readonly weights_ms: number | undefined
  measured?: Measured
  measured_ms?: number | undefined
}

/** The models that work holds, and as many SAEs as memory allows. Of the SAEs one call at a time. */
export class Workbench {
  readonly #options: ModelSettings
  readonly #models: OpenModels
  /** In the order of use, least recent first. */
  #saes = new Map<string, OpenSae>()

  constructor(options: ModelSettings) {
    this.#options = options
    this.#models = new OpenModels({
      resolve: ({ name, offline = false }) =>
        resolveModel(name, offline ? { settings: { ...hubSettings(), offline } } : {}),
      open: (path) => openModel(path, options),
    })
  }

  /** Keeps models open until what it returns is called. @throws as `OpenModels.hold`; FileError or HubError if there is none. */
  hold(names: readonly ModelName[], signal?: AbortSignal): Promise<() => Promise<void>> {
    return this.#models.hold(names, signal)
  }

  /** @param name bundled name, folder or Hub id; to be held by whoever works with it. @throws as `hold`. */
  model(name: string): Promise<Model> {
    return this.#models.model(name)
  }

  /**
   * The SAE in a folder, checked against the model, with what was measured about its latents once it is indexed.
   * @throws TypeError or RangeError if it does not fit the model.
   */
  async sae(dir: string, model: Model): Promise<OpenSae> {
    const weights_ms = await writtenAt(join(dir, SAELENS_FILES.weights))
    const measured_ms = await writtenAt(join(dir, LATENTS_FILE))
    let open = this.#saes.get(dir)
    this.#saes.delete(dir)
    // Files may be written again while the server runs: another training, another index.
    if (open && open.weights_ms !== weights_ms) {
      await open.runner.close()
      open = undefined
    }
    if (!open) {
      const sae = await loadSae(dir)
      checkFits(sae, model)
      open = { runner: await openRunner(sae, { threads: this.#options.threads }), weights_ms }
    }
    if (open.measured_ms !== measured_ms) {
      delete open.measured
      if (measured_ms !== undefined) open.measured = await readMeasured(dir)
      open.measured_ms = measured_ms
    }
    this.#saes.set(dir, open)
    await this.#evict(dir)
    return open
  }

  /** How many threads models and SAEs take. */
  get threads(): number {
    return this.#options.threads
  }

  /** The site that the transcoder in a folder writes; nothing for other SAEs, and where its files are damaged: `sae` says how. */
  async outputOf(dir: string): Promise<{ hook_out?: HookName }> {
    try {
      const { transcoder } = await readSaeConfig(dir)
      return transcoder === undefined ? {} : { hook_out: transcoder.hook_name_out }
    } catch {
      return {}
    }
  }

  async close(): Promise<void> {
    for (const { runner } of this.#saes.values()) await runner.close()
    this.#saes.clear()
    await this.#models.close()
  }

  async #evict(keep: string): Promise<void> {
    let bytes = 0
    for (const { runner } of this.#saes.values()) bytes += weightBytes(runner)
    for (const [dir, { runner }] of this.#saes) {
      if (bytes <= MAX_SAE_BYTES || dir === keep) return
      bytes -= weightBytes(runner)
      this.#saes.delete(dir)
      await runner.close()
    }
  }
}

/** When a file was written, in ms; undefined where there is none. */
const writtenAt = async (path: string): Promise<number | undefined> =>
  (await stat(path).catch(() => undefined))?.mtimeMs

const weightBytes = ({ sae }: SaeRunner): number =>
  4 * (sae.W_enc.length + sae.W_dec.length + (sae.transcoder?.W_skip?.length ?? 0))

async function readMeasured(dir: string): Promise<Measured> {
  const latents = await openLatents(dir)
  try {
    const n_active = await latents.column('n_active')
    const density = Float32Array.from(n_active, (n) => n / latents.n_tokens)
    return { density, max_act: await latents.column('max_act') }
  } finally {
    await latents.close()
  }
}
