/** The thread that reads inputs: whatever becomes of it, the watching thread goes on. */

import { parentPort, workerData } from 'node:worker_threads'
import { installMeter } from './meter.ts'
import { type Finding, inputKey, type Report, type Work } from './protocol.ts'
import { Random } from './random.ts'
import { startReach } from './reach.ts'
import type { Target } from './target.ts'

/** A thread that is ended takes what it has not reported with it. */
const REPORT_EVERY_MS = 200
/** What any read may allocate, whatever its input: the library's buffers. */
const FREE_BYTES = 4 << 20
/** CPU time of one input. */
const SLOW_MS = 1000

const work = workerData as Work
const meter = installMeter()
const stopReach = work.reach ? await startReach() : undefined
// After these two, so that they use the meter's constructors and are counted.
const { TARGETS } = (await import(work.targets_url)) as { TARGETS: readonly Target[] }
const { tryInput } = await import('./judge.ts')

const target = TARGETS.find(({ name }) => name === work.target)!
const at = new Int32Array(work.at)
const seeds = await target.seeds()

let kinds = new Map<string, number>()
let findings: Finding[] = []
let slowest: [number, number] = [0, 0]
let largest: [number, number] = [0, 0]
let unhandled: unknown
let next_report = performance.now() + REPORT_EVERY_MS
process.on('unhandledRejection', (reason) => {
  unhandled = reason
})

for (let index = work.first; index < work.end; index++) {
  const files = target.mutate(new Random(inputKey(work.target, work.seed, index)), seeds)
  const input_bytes = Object.values(files).reduce((sum, { length }) => sum + length, 0)
  Atomics.store(at, 0, index)
  const cpu = process.threadCpuUsage()
  const allocated = meter.allocated_bytes()
  const { kind, fault } = await tryInput(target, files)
  const took = meter.allocated_bytes() - allocated
  const { user, system } = process.threadCpuUsage(cpu)
  const cpu_ms = (user + system) / 1000
  // Rejections that nobody waits for are told of here.
  await new Promise(setImmediate)

  kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  if (cpu_ms > slowest[0]) slowest = [cpu_ms, index]
  if (took > largest[0]) largest = [took, index]
  if (fault !== undefined) findings.push({ index, fault })
  if (cpu_ms > SLOW_MS) findings.push({ index, fault: `took ${cpu_ms.toFixed(0)} ms of CPU` })
  if (took > FREE_BYTES + target.bytes_per_byte * input_bytes) {
    findings.push({ index, fault: `allocated ${took} bytes for an input of ${input_bytes}` })
  }
  if (unhandled !== undefined) {
    findings.push({ index, fault: `a rejection that nobody handled: ${String(unhandled)}` })
    unhandled = undefined
  }
  if (performance.now() > next_report) report(false)
}
report(true, await stopReach?.(target.sources))

function report(done: boolean, reach?: Report['reach']): void {
  const message: Report = {
    kinds: [...kinds],
    findings,
    slowest,
    largest,
    done,
    ...(reach === undefined ? {} : { reach }),
  }
  parentPort!.postMessage(message)
  next_report = performance.now() + REPORT_EVERY_MS
  kinds = new Map()
  findings = []
}
