/**
 * The queue of long work: pg-boss on the workspace's own database. One job at a time runs in a thread of its own; what it
 * reports becomes rows (runs, points, suites) and events for the page.
 *
 * A job outlives the program: a run that was under way when the program was killed is taken up again at the next start
 * and goes on from what lies on disk. A run that was stopped, or was paused when the program ended, stays so until someone
 * continues it or asks for the suite again.
 */
import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import { PgBoss } from 'pg-boss'
import { withoutSecrets } from '../files/index.ts'
import {
  createRun,
  type Database,
  getRun,
  hasEnded,
  listRuns,
  type Run,
  type RunKind,
  type RunPoint,
  updateRun,
} from '../store/index.ts'
import type { PipelineConfig } from './config.ts'
import { type ExplainingOrder, unexplained } from './explainSuite.ts'
import { RunLedger } from './ledger.ts'
import type { WorkerJob } from './protocol.ts'
import { dueLabels, type ScoringOrder } from './scoring.ts'
import { type JobThread, runInThread } from './thread.ts'

const QUEUE = 'hooke-runs'
/** pg-boss's upper limit; a run that takes longer is handed out again and goes on from its checkpoint. */
const EXPIRE_S = 24 * 3600 - 1
/** How often a run is handed out again after its program died. */
const MAX_RETRIES = 3

/** What the queue tells whoever shows it. */
export type QueueEvent =
  | { readonly type: 'run'; readonly run: Run }
  | { readonly type: 'points'; readonly run: string; readonly points: RunPoint[] }
  | { readonly type: 'changed'; readonly what: 'workspace' | 'labels' | 'latents' }

type PipelineKind = Exclude<RunKind, 'score' | 'explain'>
/** Labels to be scored, or made by a language model. */
type AskingData =
  | { readonly kind: 'score'; readonly config: ScoringOrder }
  | { readonly kind: 'explain'; readonly config: ExplainingOrder }
type JobData = { readonly kind: PipelineKind; readonly config: PipelineConfig } | AskingData
const isAsking = ({ kind }: { kind: RunKind }) => kind === 'score' || kind === 'explain'
/** The run under way. */
type Active = {
  readonly id: string
  readonly thread: JobThread
  readonly ledger: RunLedger
  /** Resolves when its last entry is written. */
  readonly ended: Promise<void>
  /** From the wish to pause until it goes on: resolves when the run is paused. */
  pause: PromiseWithResolvers<void> | undefined
}

/** The open queue. */
export class JobQueue {
  readonly #db: Database
  readonly #boss: PgBoss
  readonly #onEvent: (event: QueueEvent) => void
  #work_id: string | undefined
  #active: Active | undefined
  #closing = false

  private constructor(db: Database, boss: PgBoss, onEvent: (event: QueueEvent) => void) {
    this.#db = db
    this.#boss = boss
    this.#onEvent = onEvent
  }

  /** Opens the queue, makes its tables where missing, takes up what was interrupted, and starts to work. */
  static async open(
    db: Database,
    options: { onEvent?: (event: QueueEvent) => void; onError?: (error: Error) => void } = {},
  ): Promise<JobQueue> {
    const embedded = db.kind === 'pglite'
    const boss = new PgBoss({ ...db.boss, schedule: false, supervise: !embedded })
    boss.on('error', options.onError ?? ((error) => console.error(error)))
    await boss.start()
    await boss.createQueue(QUEUE, {
      expireInSeconds: EXPIRE_S,
      retryLimit: MAX_RETRIES,
      // Between machines a lost worker is told by its silence; an embedded queue has no other machines.
      ...(embedded ? {} : { heartbeatSeconds: 60 }),
    })
    const queue = new JobQueue(db, boss, options.onEvent ?? (() => {}))
    if (embedded) await queue.#recover()
    queue.#work_id = await boss.work<JobData>(
      QUEUE,
      { batchSize: 1, pollingIntervalSeconds: 2 },
      async ([job]) => {
        if (job) await queue.#perform(job.id, job.data)
      },
    )
    return queue
  }

  /**
   * Orders a run of a suite; where one is waiting or under way already, that one.
   * @returns the run's id.
   */
  async enqueue(kind: PipelineKind, config: PipelineConfig): Promise<string> {
    const suite = basename(config.out)
    const pending = (await listRuns(this.#db)).find(
      (run) => run.suite === suite && !isAsking(run) && !hasEnded(run.state),
    )
    return pending?.id ?? this.#send({ kind, config })
  }

  /** Orders scores or labels, beside what else is ordered of the suite: each order is about other labels. @returns the run's id. */
  enqueueAsking(order: AskingData): Promise<string> {
    return this.#send(order)
  }

  async #send(job: JobData): Promise<string> {
    const id = randomUUID()
    const { kind, config } = job
    const suite = basename(config.out)
    this.#tell(await createRun(this.#db, { id, kind, suite, message: 'waiting for its turn' }))
    await this.#boss.send(QUEUE, job, { id })
    if (this.#work_id !== undefined) this.#boss.notifyWorker(this.#work_id)
    return id
  }

  /**
   * Pauses the run under way when its present piece of work is done; what it holds in memory stays. A paused one stays so.
   * @returns the run as it is then; it has ended where its last piece of work was the last one. Undefined where there is none by
   *   that id.
   * @throws RangeError if it is not under way in this program.
   */
  async pause(id: string): Promise<Run | undefined> {
    const active = this.#active
    if (active?.id === id) {
      if (active.pause === undefined) {
        active.pause = Promise.withResolvers()
        active.thread.pause()
      }
      await Promise.race([active.pause.promise, active.ended])
      return getRun(this.#db, id)
    }
    const run = await getRun(this.#db, id)
    if (run)
      throw new RangeError(`only a run under way can be paused, and this one is ${run.state}`)
    return undefined
  }

  /**
   * Lets a paused run go on, or orders a stopped or failed one again, which goes on from what lies on disk.
   * @returns the run that goes on, a new one for one that had ended; undefined where there is none by that id.
   * @throws RangeError if it is done, or its settings are no longer known.
   */
  async continue(id: string): Promise<Run | undefined> {
    const active = this.#active
    if (active?.id === id) {
      if (active.pause !== undefined) {
        active.thread.resume()
        active.pause.resolve()
        active.pause = undefined
        await active.ledger.enterState('running')
      }
      return getRun(this.#db, id)
    }
    const run = await getRun(this.#db, id)
    if (run === undefined || !hasEnded(run.state)) return run
    if (run.state === 'done')
      throw new RangeError('this run is done: there is nothing to go on with')
    const job = await this.#boss.getJobById<JobData>(QUEUE, id)
    if (!job)
      throw new RangeError(
        `the settings of this run are no longer kept; give the command that made ${run.suite ?? 'it'} again`,
      )
    const { data } = job
    const next =
      data.kind === 'score' || data.kind === 'explain'
        ? this.enqueueAsking(data)
        : this.enqueue(data.kind, data.config)
    return getRun(this.#db, await next)
  }

  /**
   * Stops a run: a waiting one at once, one under way or paused with a checkpoint.
   * @returns the run as it is afterwards; undefined where there is none by that id.
   */
  async stop(id: string): Promise<Run | undefined> {
    if (this.#active?.id === id) {
      this.#active.thread.stop()
      this.#tell(await updateRun(this.#db, id, { message: 'stopping: writing what is there' }))
      await this.#active.ended
    } else {
      const run = await getRun(this.#db, id)
      if (run?.state === 'queued') {
        await this.#boss.cancel(QUEUE, id)
        this.#tell(
          await updateRun(this.#db, id, { state: 'stopped', message: 'stopped before it began' }),
        )
      }
    }
    return getRun(this.#db, id)
  }

  /** Resolves when a run is done, stopped or failed. */
  async settled(id: string, signal?: AbortSignal): Promise<Run> {
    for (;;) {
      signal?.throwIfAborted()
      const run = await getRun(this.#db, id)
      if (!run) throw new RangeError(`there is no run ${id}`)
      if (hasEnded(run.state)) return run
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }

  /** Stops the run under way at its checkpoint and lets go of the database. */
  async close(): Promise<void> {
    this.#closing = true
    const active = this.#active
    active?.thread.stop()
    await active?.ended
    await this.#boss.stop({ graceful: true, close: false, timeout: 10_000 })
  }

  /** Embedded: nothing else can be working, so a job that is active was cut off. It goes back into the queue. */
  async #recover(): Promise<void> {
    const cut_off = (await this.#boss.findJobs<JobData>(QUEUE)).filter(
      (job) => job.state === 'active',
    )
    for (const job of cut_off) await this.#boss.fail(QUEUE, job.id, { reason: 'the program ended' })
    for (const run of await listRuns(this.#db)) {
      if (hasEnded(run.state)) continue
      if (run.state === 'paused') {
        await this.#boss.cancel(QUEUE, run.id)
        const message = 'was paused when the program ended; continues from its checkpoint'
        await updateRun(this.#db, run.id, { state: 'stopped', message })
        continue
      }
      const job = await this.#boss.getJobById<JobData>(QUEUE, run.id)
      const waits = job?.state === 'created' || job?.state === 'retry'
      await updateRun(
        this.#db,
        run.id,
        waits
          ? { state: 'queued', message: 'was cut off; goes on where it was' }
          : {
              state: 'failed',
              message: 'failed',
              error: 'the program ended several times during this run',
            },
      )
    }
  }

  /** One job from start to end. Errors of the run become its state; they are not retried, since they would come again. */
  async #perform(id: string, data: JobData): Promise<void> {
    // A job that lasts longer than the queue lets it is handed out again while its thread goes on, or is paused.
    while (this.#active) await this.#active.ended
    const job = await this.#workOf(id, data)
    if (!job) return
    if (this.#closing) throw new Error('the program is ending')
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    const ledger = new RunLedger(this.#db, id, data.config.out, (event) => this.#onEvent(event))
    const thread = runInThread(job, {
      onEvent: (event) => ledger.enter(event),
      onPaused: () => {
        // Continued meanwhile: its thread has gone on.
        const { pause } = active
        if (pause) void ledger.enterState('paused').then(pause.resolve)
      },
    })
    const active: Active = { id, thread, ledger, ended, pause: undefined }
    this.#active = active
    try {
      void ledger.enterState('running', 'starting')
      const outcome = await thread.ended
      await ledger.finish()
      this.#tell(
        await updateRun(
          this.#db,
          id,
          outcome.type === 'done'
            ? { state: 'done', message: outcome.message ?? 'done', progress: 1 }
            : { state: 'stopped', message: 'stopped; run it again to go on from here' },
        ),
      )
    } catch (error) {
      // Where it is the ledger that could not write, this is the error it has thrown already.
      await ledger.finish().catch(() => {})
      const message = withoutSecrets(error instanceof Error ? error.message : String(error))
      this.#tell(
        await updateRun(this.#db, id, { state: 'failed', message: 'failed', error: message }),
      )
    } finally {
      this.#active = undefined
      end()
    }
  }

  /** What its thread is to do; undefined where it was stopped meanwhile, or is found to be impossible, which becomes its state. */
  async #workOf(id: string, data: JobData): Promise<WorkerJob | undefined> {
    if (data.kind !== 'score' && data.kind !== 'explain') return { config: data.config }
    try {
      const job =
        data.kind === 'score'
          ? { kind: data.kind, order: data.config, due: await dueLabels(this.#db, data.config) }
          : {
              kind: data.kind,
              order: data.config,
              due: (await unexplained(this.#db, data.config)).filter(
                ({ latents }) => latents.length > 0,
              ),
            }
      const run = await getRun(this.#db, id)
      return run && !hasEnded(run.state) ? job : undefined
    } catch (error) {
      const message = withoutSecrets(error instanceof Error ? error.message : String(error))
      this.#tell(
        await updateRun(this.#db, id, { state: 'failed', message: 'failed', error: message }),
      )
      return undefined
    }
  }

  #tell(run: Run): void {
    this.#onEvent({ type: 'run', run })
  }
}
