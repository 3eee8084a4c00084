/** The other end of contestant.ts: requests in, answers out, and how both times and memory are taken. */
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Time } from './contestant.ts'

/** Answers each request on stdin until it ends, then leaves. */
export async function serve<Request>(
  answer: (request: Request) => Promise<object>,
): Promise<never> {
  for await (const line of createInterface({ input: process.stdin })) {
    const given = await answer(JSON.parse(line) as Request)
    console.log(JSON.stringify({ ...given, peak_bytes: peakBytes() }))
  }
  process.exit(0)
}

export async function timed<Value>(run: () => Promise<Value>): Promise<Time & { value: Value }> {
  const cpu = process.cpuUsage()
  const started = performance.now()
  const value = await run()
  const ms = performance.now() - started
  const { user, system } = process.cpuUsage(cpu)
  return { value, ms, cpu_ms: (user + system) / 1000 }
}

/** The most memory resident so far. `maxRSS` would count the parent's too, which a process inherits on Linux. */
function peakBytes(): number {
  if (process.platform !== 'linux') return process.resourceUsage().maxRSS * 1024
  const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))
  return Number(match![1]) * 1024
}
