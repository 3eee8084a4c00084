/** Holding a run between two pieces of its work, and letting it go on: the two ends of a pause. */
import type { Model } from '../model/index.ts'

/** A gate that whoever does the work passes before each piece of it; open until it is shut. */
export class Gate {
  readonly #onHeld: () => void
  #shut: PromiseWithResolvers<void> | undefined
  #isTold = false

  /** @param onHeld called once for each time it is shut, when the work has come to it and waits. */
  constructor(onHeld: () => void) {
    this.#onHeld = onHeld
  }

  shut(): void {
    if (this.#shut !== undefined) return
    this.#shut = Promise.withResolvers()
    this.#isTold = false
  }

  open(): void {
    this.#shut?.resolve()
    this.#shut = undefined
  }

  /** @returns undefined while the gate is open; else what resolves when it opens. */
  pass(): Promise<void> | undefined {
    if (this.#shut !== undefined && !this.#isTold) {
      this.#isTold = true
      this.#onHeld()
    }
    return this.#shut?.promise
  }
}

/** A clock that stands still while work waits at a gate, so that no forecast counts a pause as work. */
export class WorkClock {
  readonly #pass: () => Promise<void> | undefined
  readonly #now: () => number
  #n_waiting = 0
  #since_ms = 0
  #held_ms = 0

  constructor(pass: () => Promise<void> | undefined, now: () => number = () => performance.now()) {
    this.#pass = pass
    this.#now = now
  }

  /** Milliseconds of work: those of the clock below, less those that were waited. */
  readonly now = (): number => (this.#n_waiting > 0 ? this.#since_ms : this.#now()) - this.#held_ms

  /** The gate's `pass`, timed. Several pieces of work may wait at once; that time counts once. */
  readonly hold = (): Promise<void> | undefined => {
    const opened = this.#pass()
    if (opened === undefined) return undefined
    if (this.#n_waiting++ === 0) this.#since_ms = this.#now()
    return opened.finally(() => {
      if (--this.#n_waiting === 0) this.#held_ms += this.#now() - this.#since_ms
    })
  }
}

/** A model that waits before each pass and before it gives its unembedding: every stage that reads text is held by it. */
export function heldModel(model: Model, hold: () => Promise<void> | undefined): Model {
  return {
    ...model,
    async forward(batch, options) {
      await hold()
      return model.forward(batch, options)
    },
    async unembedding() {
      await hold()
      return model.unembedding()
    },
  }
}
