/** Runs a target's inputs in a thread, and watches it: one that hangs or runs out of memory is ended, and the next input goes on. */

import { Worker } from 'node:worker_threads'
import type { Finding, Report, Work } from './protocol.ts'
import type { Reach } from './reach.ts'

const LOOK_EVERY_MS = 50
const MAX_HEAP_MB = 512
/** More findings than this say nothing new. */
const MAX_FINDINGS = 50

export type Run = {
  readonly target: string
  /** How often each way of going came; inputs that ended their thread are in `findings` alone. */
  readonly kinds: ReadonlyMap<string, number>
  readonly findings: readonly Finding[]
  /** In ms of CPU, and the input's index. */
  readonly slowest: readonly [number, number]
  /** In bytes, and the input's index. */
  readonly largest: readonly [number, number]
  /** Of the whole process, the runtime included. */
  readonly peak_rss_bytes: number
  readonly wall_ms: number
  readonly reach: readonly Reach[]
}

/**
 * Reads inputs `first` .. `first + n - 1` of a target.
 * @param targets_url of a module that exports TARGETS.
 * @param limit_ms of wall time, for a single input.
 */
export async function watch(options: {
  targets_url: string
  target: string
  seed: number
  first: number
  n: number
  limit_ms: number
  reach: boolean
}): Promise<Run> {
  const { targets_url, target, seed, first, n, limit_ms, reach } = options
  const kinds = new Map<string, number>()
  const findings: Finding[] = []
  let slowest: readonly [number, number] = [0, 0]
  let largest: readonly [number, number] = [0, 0]
  let lines: readonly Reach[] = []
  let peak_rss_bytes = 0
  const start = performance.now()
  const end = first + n

  /** Runs from `from` until the end or until the thread is lost; returns where to go on. */
  const stretch = (from: number): Promise<number> => {
    const word = new SharedArrayBuffer(4)
    const at = new Int32Array(word).fill(-1)
    const work: Work = { targets_url, target, seed, first: from, end, reach, at: word }
    const worker = new Worker(new URL('./worker.ts', import.meta.url), {
      workerData: work,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    })
    let since = performance.now()
    let seen = -1
    return new Promise((done, fail) => {
      const lost = (fault: string) => {
        clearInterval(timer)
        const index = Atomics.load(at, 0)
        if (index < 0) {
          fail(new Error(`The thread of target ${target} ended before its first input: ${fault}`))
          return
        }
        findings.push({ index, fault })
        done(index + 1)
      }
      const timer = setInterval(() => {
        peak_rss_bytes = Math.max(peak_rss_bytes, process.memoryUsage.rss())
        const index = Atomics.load(at, 0)
        if (index !== seen) [seen, since] = [index, performance.now()]
        else if (index >= 0 && performance.now() - since > limit_ms) {
          lost(`took longer than ${limit_ms} ms and was ended`)
          void worker.terminate()
        }
      }, LOOK_EVERY_MS)
      worker.on('message', (report: Report) => {
        for (const [kind, count] of report.kinds) kinds.set(kind, (kinds.get(kind) ?? 0) + count)
        findings.push(...report.findings)
        if (report.slowest[0] > slowest[0]) slowest = report.slowest
        if (report.largest[0] > largest[0]) largest = report.largest
        lines = report.reach ?? lines
        if (report.done || findings.length >= MAX_FINDINGS) {
          clearInterval(timer)
          done(end)
          void worker.terminate()
        }
      })
      worker.on('error', (error) => lost(`ended its thread: ${error.stack ?? error.message}`))
    })
  }

  for (let next = first; next < end && findings.length < MAX_FINDINGS; ) next = await stretch(next)
  return {
    target,
    kinds,
    findings,
    slowest,
    largest,
    peak_rss_bytes,
    wall_ms: performance.now() - start,
    reach: lines,
  }
}
