/** The models that are open in the inference thread: held while work goes on with them, few at a time. */
import type { Model } from '../model/index.ts'

/** Models open at once: a comparison needs two. */
const MAX_MODELS = 2

/** A model as a request names it. */
export type ModelName = {
  readonly name: string
  /** It must lie on this machine: nothing is fetched for it. */
  readonly offline?: boolean
}

/** How names become open models. */
type ModelOpener = {
  /** The folder of a name. */
  readonly resolve: (wanted: ModelName) => Promise<string>
  readonly open: (path: string) => Promise<Model>
}

type Named = { readonly name: string; readonly path: string }
type Entry = {
  readonly names: Set<string>
  readonly model: Promise<Model>
  n_holds: number
  hasFailed: boolean
}
type Waiting = {
  readonly wanted: readonly Named[]
  readonly onGranted: (models: Promise<Model>[]) => void
}

/**
 * Work holds its models from its first pass to its last, so that none is closed under it. Work that would need a third model
 * waits; of what waits, the first that fits goes on. A model that nobody holds stays open until another is wanted.
 */
export class OpenModels {
  readonly #opener: ModelOpener
  /** By folder. */
  #entries = new Map<string, Entry>()
  #waiting: Waiting[] = []
  /** Memory is given back before more is taken. */
  #closing: Promise<unknown> = Promise.resolve()

  constructor(opener: ModelOpener) {
    this.#opener = opener
  }

  /**
   * Opens models and holds them, all at once, so that no two holders wait for each other.
   * @param names at most two.
   * @returns what gives them back; to be called once.
   * @throws what resolving or opening throws; the reason of `signal` if it aborts first.
   */
  async hold(names: readonly ModelName[], signal?: AbortSignal): Promise<() => Promise<void>> {
    const wanted: Named[] = []
    for (const one of names) {
      // Of a name that is open the Hub is not asked again.
      const path = this.#pathOf(one.name) ?? (await this.#opener.resolve(one))
      wanted.push({ name: one.name, path })
    }
    const models = await this.#grant(wanted, signal)
    try {
      await Promise.all(models)
      signal?.throwIfAborted()
    } catch (error) {
      await this.#release(wanted)
      throw error
    }
    return () => this.#release(wanted)
  }

  /** The model of a name. One that nobody holds may be closed as soon as another is wanted. @throws as `hold`. */
  async model(name: string): Promise<Model> {
    const path = this.#pathOf(name)
    if (path !== undefined) return this.#entries.get(path)!.model
    const release = await this.hold([{ name }])
    try {
      return await this.#entries.get(this.#pathOf(name)!)!.model
    } finally {
      await release()
    }
  }

  /** Closes them all, held or not. */
  async close(): Promise<void> {
    for (const path of [...this.#entries.keys()]) this.#shut(path)
    await this.#closing
  }

  #pathOf(name: string): string | undefined {
    for (const [path, { names }] of this.#entries) if (names.has(name)) return path
    return undefined
  }

  /** Resolves when the models are held, which they are from then on whether or not they are open yet. */
  async #grant(
    wanted: readonly Named[],
    signal: AbortSignal | undefined,
  ): Promise<readonly Promise<Model>[]> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<readonly Promise<Model>[]>()
    const waiting: Waiting = {
      wanted,
      onGranted(models) {
        signal?.removeEventListener('abort', onAbort)
        resolve(models)
      },
    }
    const onAbort = () => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting)
      reject(signal!.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#waiting.push(waiting)
    this.#serve()
    return promise
  }

  /** Gives their models to those that wait, as far as there is room. */
  #serve(): void {
    this.#waiting = this.#waiting.filter(({ wanted, onGranted }) => {
      const held = [...this.#entries].flatMap(([path, { n_holds }]) => (n_holds > 0 ? path : []))
      if (new Set([...held, ...wanted.map(({ path }) => path)]).size > MAX_MODELS) return true
      for (const [path, { n_holds }] of this.#entries)
        if (n_holds === 0 && !wanted.some((one) => one.path === path)) this.#shut(path)
      onGranted(wanted.map((one) => this.#take(one)))
      return false
    })
  }

  #take({ name, path }: Named): Promise<Model> {
    const entry = this.#entries.get(path) ?? this.#open(path)
    entry.names.add(name)
    entry.n_holds++
    return entry.model
  }

  #open(path: string): Entry {
    const model = this.#closing.then(() => this.#opener.open(path))
    const entry: Entry = { names: new Set(), model, n_holds: 0, hasFailed: false }
    model.catch(() => {
      entry.hasFailed = true
    })
    this.#entries.set(path, entry)
    return entry
  }

  /** The first of what was wanted is given back last, and stays open where nothing else is. */
  async #release(wanted: readonly Named[]): Promise<void> {
    for (const { path } of wanted.toReversed()) {
      const entry = this.#entries.get(path)
      if (entry === undefined || --entry.n_holds > 0) continue
      if (entry.hasFailed || this.#entries.size > 1) this.#shut(path)
    }
    this.#serve()
    await this.#closing
  }

  #shut(path: string): void {
    const { model } = this.#entries.get(path)!
    this.#entries.delete(path)
    // One that could not be opened holds nothing.
    const open = model.catch(() => undefined)
    this.#closing = this.#closing.then(async () => (await open)?.close())
  }
}
