/** What the routes share: the workspace's database, its suites on disk, the threads that compute. */
import type { AskSettings, JobQueue } from '../jobs/index.ts'
import { EmbedderShelf } from '../search/index.ts'
import type { Database } from '../store/index.ts'
import type { AllowedModels } from './allowedModels.ts'
import type { EventHub } from './eventHub.ts'
import type { Inference } from './inference.ts'
import type { ModelInfo } from './inferenceProtocol.ts'
import { LatentFiles } from './latentFiles.ts'
import { SuiteShelf } from './suites.ts'

export type ServerContext = {
  readonly db: Database
  readonly workspace: string
  readonly version: string
  /** What a request may name beside the suites' own and the bundled ones. */
  readonly models: AllowedModels
  /** The language model that tests labels; undefined where none is set up. */
  readonly judge: AskSettings | undefined
  readonly inference: Inference
  readonly hub: EventHub
  readonly jobs: JobQueue
  readonly suites: SuiteShelf
  readonly latents: LatentFiles
  /** What embeds queries, where labels are embedded. */
  readonly embedders: EmbedderShelf
  /** What is known of a model, without waiting: absent until its thread has opened it, which is then told to every page. */
  model(name: string): ModelInfo | undefined
  close(): Promise<void>
}

/** The context over its parts. */
export function createContext(
  parts: Pick<
    ServerContext,
    'db' | 'workspace' | 'version' | 'models' | 'judge' | 'inference' | 'hub' | 'jobs'
  >,
): ServerContext {
  const { db, inference, hub } = parts
  const latents = new LatentFiles()
  const embedders = new EmbedderShelf()
  const models = new Map<string, ModelInfo | 'asked'>()
  return {
    ...parts,
    suites: new SuiteShelf(db),
    latents,
    embedders,
    model(name) {
      const known = models.get(name)
      if (known === undefined) {
        models.set(name, 'asked')
        inference.call('describe', { model: name }).then(
          (info) => {
            models.set(name, info)
            hub.publish({ type: 'changed', what: 'workspace' })
          },
          () => models.delete(name),
        )
      }
      return known === 'asked' ? undefined : known
    },
    close: async () => {
      await embedders.close()
      await latents.close()
    },
  }
}
