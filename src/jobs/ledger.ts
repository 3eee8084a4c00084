/** Turns what a running job reports into rows and events, in order, without holding the job up. */
import { basename } from 'node:path'
import {
  addLabel,
  addPoints,
  addScore,
  type Database,
  type RunPoint,
  type RunState,
  updateRun,
} from '../store/index.ts'
import { importSuite, saeId } from './importSuite.ts'
import type { JobEvent } from './protocol.ts'
import type { QueueEvent } from './queue.ts'

/** Progress rows are written this often at most; the last one of a pause is written too. */
const ROW_EVERY_MS = 250
/** New labels and scores are told this often at most. */
const LABELS_EVERY_MS = 1000

type Progress = Extract<JobEvent, { type: 'progress' }>

/** The book of one run. */
export class RunLedger {
  readonly #db: Database
  readonly #run: string
  /** The suite's folder. */
  readonly #suite: string
  readonly #tell: (event: QueueEvent) => void
  /** Entries are made one after another. */
  #entries: Promise<void> = Promise.resolve()
  #progress: Progress | undefined
  #progress_timer: NodeJS.Timeout | undefined
  #labels_timer: NodeJS.Timeout | undefined
  #import_waits = false
  /** What the import that waits will tell. */
  readonly #changed = new Set<'workspace' | 'labels' | 'latents'>()
  #training = false
  /** SAEs that the last points were of. */
  #n_measured = 0
  #failure: unknown

  constructor(db: Database, run: string, suite: string, tell: (event: QueueEvent) => void) {
    this.#db = db
    this.#run = run
    this.#suite = suite
    this.#tell = tell
  }

  /** Notes one event; returns at once. */
  enter(event: JobEvent): void {
    switch (event.type) {
      case 'progress':
        if (event.stage === 'train' && !this.#training) {
          this.#training = true
          this.#importSoon(['workspace'])
        }
        this.#progress = event
        this.#progress_timer ??= setTimeout(() => this.#writeProgress(), ROW_EVERY_MS)
        return
      case 'points': {
        const suite = basename(this.#suite)
        const points: RunPoint[] = event.points.map(({ hook, d_sae, l0_target, ...point }) => ({
          sae: saeId(suite, { hook, d_sae, l0: l0_target }),
          ...point,
        }))
        // One that is no longer measured has failed: its folder says why.
        if (points.length < this.#n_measured) this.#importSoon(['workspace'])
        this.#n_measured = points.length
        this.#write(async () => {
          await addPoints(this.#db, this.#run, points)
          this.#tell({ type: 'points', run: this.#run, points })
        })
        return
      }
      case 'suite': {
        const also = { indexed: ['latents'], labelled: ['labels'] } as const
        this.#importSoon(['workspace', ...(also[event.change as keyof typeof also] ?? [])])
        return
      }
      case 'score':
        this.#write(async () => {
          await addScore(this.#db, event.score)
          this.#labelsSoon()
        })
        return
      case 'label':
        this.#write(async () => {
          await addLabel(this.#db, event.label)
          this.#labelsSoon()
        })
        return
      case 'failed':
      case 'unlabelled':
        return
      default:
        event satisfies never
    }
  }

  /** Tells of new labels and scores, several at a time: every page that shows labels fetches them again. */
  #labelsSoon(): void {
    this.#labels_timer ??= setTimeout(() => {
      this.#labels_timer = undefined
      this.#tell({ type: 'changed', what: 'labels' })
    }, LABELS_EVERY_MS)
  }

  /** The run's new state, after all that was entered before; resolves when it is written. */
  enterState(state: RunState, message?: string): Promise<void> {
    return this.#write(async () => {
      const run = await updateRun(this.#db, this.#run, {
        state,
        ...(message === undefined ? {} : { message }),
      })
      this.#tell({ type: 'run', run })
    })
  }

  /** Writes what is outstanding and brings the suite's rows to what lies on disk. @throws what an entry threw. */
  async finish(): Promise<void> {
    this.#training = false
    clearTimeout(this.#labels_timer)
    this.#writeProgress()
    this.#importSoon(['workspace', 'latents', 'labels'])
    await this.#entries
    if (this.#failure !== undefined) throw this.#failure
  }

  #writeProgress(): void {
    clearTimeout(this.#progress_timer)
    this.#progress_timer = undefined
    const progress = this.#progress
    this.#progress = undefined
    if (!progress) return
    this.#write(async () => {
      const run = await updateRun(this.#db, this.#run, {
        message: progress.message,
        progress: progress.progress,
        ...(progress.remaining_ms === undefined ? {} : { remaining_ms: progress.remaining_ms }),
      })
      this.#tell({ type: 'run', run })
    })
  }

  /** Imports once for all changes that came while an import was waiting. */
  #importSoon(changed: readonly ('workspace' | 'labels' | 'latents')[]): void {
    for (const what of changed) this.#changed.add(what)
    if (this.#import_waits) return
    this.#import_waits = true
    this.#write(async () => {
      this.#import_waits = false
      const told = [...this.#changed]
      this.#changed.clear()
      const damaged = await importSuite(this.#db, this.#suite, { training: this.#training })
      for (const what of told) this.#tell({ type: 'changed', what })
      if (damaged[0] !== undefined) throw damaged[0]
    })
  }

  #write(entry: () => Promise<void>): Promise<void> {
    this.#entries = this.#entries.then(entry).catch((error: unknown) => {
      this.#failure ??= error
    })
    return this.#entries
  }
}
