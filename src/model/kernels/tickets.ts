/**
 * How the threads of a team share a job: one array of integers in shared memory. A job is cut into tickets, numbered through from
 * job to job; threads take the next one until the limit is reached. A thread that comes late takes fewer, and one that sleeps none.
 *
 * The job's fields may be read only by who holds one of its tickets: until that ticket is done, the job is not over.
 */

import { PART_WORDS, type Part, runTicket } from './jobs.ts'
import type { Kernels } from './load.ts'

/** Words, a line of cache apart. */
const NEXT = 0
const LIMIT = 16
const DONE = 32
const FAILED = 48
const CLOSED = 64
/** The job: number of its first ticket, then the parts of it. */
const BASE = 80
const PARTS = 96
const ERROR_BYTES = 4096
const CONTROL_BYTES = 8192

/** Parts that one job may have. */
export const MAX_PARTS = 16

/** How long a thread turns in a circle before it goes to sleep: longer than what lies between two products of one pass. */
const SPIN_MS = 0.3
/** Ticket numbers start anew after this many. */
const RESET = 2 ** 30

export const controlBuffer = (): SharedArrayBuffer => new SharedArrayBuffer(CONTROL_BYTES)

export class Tickets {
  readonly #words: Int32Array
  readonly #floats: Float32Array
  readonly #error: Uint8Array
  readonly #sleeps: boolean

  constructor(control: SharedArrayBuffer) {
    this.#words = new Int32Array(control)
    this.#floats = new Float32Array(control)
    this.#error = new Uint8Array(control, ERROR_BYTES)
    this.#sleeps = maySleep(this.#words)
  }

  /** The calling thread: runs a job together with the others. @throws Error what a ticket threw. */
  run(parts: readonly Part[], kernels: readonly Kernels[]): void {
    const words = this.#words
    if (Atomics.load(words, CLOSED) !== 0) throw new Error('model: the team of threads is closed')
    if (words[LIMIT]! > RESET) {
      Atomics.store(words, LIMIT, 0)
      Atomics.store(words, NEXT, 0)
      Atomics.store(words, DONE, 0)
    }
    const base = words[LIMIT]!
    let end = base
    words[BASE] = base
    for (const [i, { tickets, words: fields, floats }] of parts.entries()) {
      const at = PARTS + i * PART_WORDS
      words[at] = tickets
      for (let j = 0; j < fields.length; j++) words[at + 1 + j] = fields[j]!
      if (floats) this.#floats.set(floats, at + PART_WORDS - 2)
      end += tickets
    }
    Atomics.store(words, LIMIT, end)
    Atomics.notify(words, LIMIT)
    this.work(kernels)
    this.#await(DONE, (done) => done === end)
    if (Atomics.exchange(words, FAILED, 0) !== 0) {
      const text = this.#error.slice(0, this.#error.indexOf(0))
      throw new Error(`model: a kernel failed: ${new TextDecoder().decode(text)}`)
    }
  }

  /** Takes tickets and runs them until there are none. */
  work(kernels: readonly Kernels[]): void {
    const words = this.#words
    for (;;) {
      const ticket = Atomics.load(words, NEXT)
      if (Atomics.load(words, LIMIT) - ticket <= 0) return
      if (Atomics.compareExchange(words, NEXT, ticket, ticket + 1) !== ticket) continue
      try {
        runTicket(kernels, words, this.#floats, PARTS, ticket - words[BASE]!)
      } catch (error) {
        this.#fail(error)
      }
      if (Atomics.add(words, DONE, 1) + 1 === Atomics.load(words, LIMIT))
        Atomics.notify(words, DONE)
    }
  }

  /** Waits for tickets; false when the team is closed. */
  awaitWork(): boolean {
    const words = this.#words
    this.#await(LIMIT, (limit) => limit - Atomics.load(words, NEXT) > 0 || limit < 0)
    return Atomics.load(words, CLOSED) === 0
  }

  close(): void {
    Atomics.store(this.#words, CLOSED, 1)
    Atomics.store(this.#words, LIMIT, -1)
    Atomics.notify(this.#words, LIMIT)
  }

  /** Turns in a circle, then sleeps, until the word is as wanted. */
  #await(word: number, isWanted: (value: number) => boolean): void {
    const words = this.#words
    for (let until = performance.now() + SPIN_MS; ; ) {
      for (let i = 0; i < 64; i++) if (isWanted(Atomics.load(words, word))) return
      if (performance.now() < until || !this.#sleeps) continue
      const value = Atomics.load(words, word)
      if (isWanted(value)) return
      Atomics.wait(words, word, value)
    }
  }

  /** Keeps the first failure of a job, cut to the room there is. */
  #fail(error: unknown): void {
    if (Atomics.compareExchange(this.#words, FAILED, 0, 1) !== 0) return
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    const bytes = new TextEncoder().encode(text).subarray(0, this.#error.length - 1)
    this.#error.set(bytes)
    this.#error[bytes.length] = 0
  }
}

/** Browsers let their main thread not sleep: there it only turns in a circle. */
function maySleep(words: Int32Array): boolean {
  try {
    Atomics.wait(words, CLOSED, -1, 0)
    return true
  } catch {
    return false
  }
}
