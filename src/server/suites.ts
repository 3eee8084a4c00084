/** From a name in an address to a suite or an SAE on disk, or to the problem with it. */
import { existsSync } from 'node:fs'
import { type SuiteInfo, saeId } from '../jobs/index.ts'
import { parseHookName, saeFolder } from '../sae/index.ts'
import {
  type Database,
  getSae,
  listSuites,
  type Sae,
  type Suite,
  saesOf,
  suiteInfo,
} from '../store/index.ts'
import type { SuiteFolder } from './inferenceProtocol.ts'
import { HttpProblem, notFound } from './problems.ts'

/** An SAE with the folder it lies in and the model it reads. */
export type SaeOnDisk = Sae & {
  readonly dir: string
  readonly model: string
  readonly folder: string
}

/** The suites of the workspace. */
export class SuiteShelf {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Suites whose folder is there, with what is known about each. Rows of a folder that was moved away wait for its return. */
  async present(): Promise<(Suite & { readonly info: SuiteInfo })[]> {
    const suites = []
    for (const suite of await listSuites(this.#db)) {
      const info = await this.#info(suite.name)
      if (info && existsSync(info.folder)) suites.push({ ...suite, info })
    }
    return suites
  }

  /**
   * A suite's model and trained SAEs for the microscope, none while the first is still in training; the first suite
   * that has any where no name is given.
   * @throws HttpProblem 404 if there is none by that name, 409 if it does not say its model.
   */
  async folder(name: string | undefined): Promise<SuiteFolder> {
    const suites = await this.present()
    const trained = (suite: Suite) => suite.saes.filter((sae) => isTrained(sae))
    const suite =
      name === undefined
        ? (suites.find((candidate) => trained(candidate).length > 0) ?? suites[0])
        : suites.find((candidate) => candidate.name === name)
    if (!suite)
      throw notFound(
        name === undefined
          ? 'the workspace holds no suite yet; run `hooke demo`, or copy a suite into it'
          : `there is no suite ${JSON.stringify(name)}; there are: ${suites.map((s) => s.name).join(', ') || 'none'}`,
      )
    return {
      suite: suite.name,
      model: modelOf(suite.name, suite.info),
      saes: trained(suite).map((sae) => ({
        id: sae.id,
        hook: sae.hook,
        dir: folderOf(suite.info, sae),
      })),
    }
  }

  /** A suite by name, trained or not. @throws HttpProblem 404 if there is none by that name, or its folder is gone. */
  async named(suite: string): Promise<{ suite: string; info: SuiteInfo }> {
    const info = await this.#info(suite)
    if (!info) throw notFound(`there is no suite ${JSON.stringify(suite)}`)
    if (!existsSync(info.folder))
      throw notFound(`the folder of suite ${suite} is gone from ${info.folder}`)
    return { suite, info }
  }

  /** @throws HttpProblem 404 if there is no such SAE. */
  async sae(id: string): Promise<Sae> {
    const sae = await getSae(this.#db, id)
    if (!sae) throw notFound(`there is no SAE ${JSON.stringify(id)} in this workspace`)
    return sae
  }

  /** @throws HttpProblem 404 if there is no such SAE, 409 if it is not trained yet or its suite does not say its model. */
  async trained(id: string): Promise<SaeOnDisk> {
    const sae = await this.sae(id)
    if (sae.failed)
      throw new HttpProblem(
        409,
        `the training of ${sae.hook} failed at step ${sae.failed.step}: ${sae.failed.reason}`,
      )
    if (!isTrained(sae)) throw new HttpProblem(409, `${sae.hook} is not trained yet; wait for it`)
    const { info } = await this.named(sae.suite)
    return {
      ...sae,
      dir: folderOf(info, sae),
      model: modelOf(sae.suite, info),
      folder: info.folder,
    }
  }

  /** @throws HttpProblem as `trained`, and 409 if it is not indexed yet. */
  async indexed(id: string): Promise<SaeOnDisk> {
    const sae = await this.trained(id)
    if (sae.state !== 'indexed' && sae.state !== 'labelled')
      throw new HttpProblem(
        409,
        `the latents of ${sae.hook} are not indexed yet; this page fills when they are`,
      )
    return sae
  }

  /** From a site to the SAE there that belongs to another of the same suite: of the same width and target where there is one. */
  async siblings(sae: Sae): Promise<(hook: string) => Sae | undefined> {
    const saes = await saesOf(this.#db, sae.suite)
    return (hook) => {
      if (hook === sae.hook) return sae
      const there = saes.filter((other) => other.hook === hook)
      return (
        there.find((other) => other.d_sae === sae.d_sae && other.l0_target === sae.l0_target) ??
        there[0]
      )
    }
  }

  async #info(suite: string): Promise<SuiteInfo | undefined> {
    const info = (await suiteInfo(this.#db, suite)) as Partial<SuiteInfo> | undefined
    return info?.folder === undefined ? undefined : (info as SuiteInfo)
  }
}

const isTrained = ({ state }: Sae): boolean =>
  state === 'trained' || state === 'indexed' || state === 'labelled'

function folderOf(info: SuiteInfo, { id, suite, hook, d_sae, l0_target }: Sae): string {
  const l0 = l0_target ?? Number(id.slice(id.lastIndexOf('~l0_') + 4))
  const dir = saeFolder(info.folder, parseHookName(hook, info.folder), d_sae, l0)
  if (saeId(suite, { hook, d_sae, l0 }) !== id)
    throw new Error(`${id}: its name and folder disagree`)
  return dir
}

function modelOf(suite: string, info: SuiteInfo): string {
  if (info.model === undefined)
    throw new HttpProblem(
      409,
      `suite ${suite} has no suite.json that names its model, so no text can be run through it`,
    )
  return info.model
}
