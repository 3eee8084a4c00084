/** Which lines of the readers a run reached, by V8's own counting of blocks. */

import { readFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { stripTypeScriptTypes } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const SRC = resolve(import.meta.dirname, '../../src')

/** A source file: how many lines of code it has, and those that were not reached. */
export type Reach = {
  readonly source: string
  readonly n_lines: number
  readonly missed: readonly number[]
}

/**
 * Starts counting in this thread, which must come before what is counted is imported.
 * @returns what stops it and tells of source files, named below src/.
 */
export async function startReach(): Promise<(sources: readonly string[]) => Promise<Reach[]>> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true })
  return async (sources) => {
    const { result } = await session.post('Profiler.takePreciseCoverage')
    session.disconnect()
    return sources.map((source) => {
      const path = resolve(SRC, source)
      const script = result.find(({ url }) => url === pathToFileURL(path).href)
      const ranges = script?.functions.flatMap((called) => called.ranges) ?? []
      return { source, ...linesOf(readFileSync(path, 'utf8'), ranges) }
    })
  }
}

function linesOf(
  source: string,
  ranges: readonly { startOffset: number; endOffset: number; count: number }[],
): { n_lines: number; missed: number[] } {
  // Types become blanks of the same length, so the offsets stay.
  const code = stripTypeScriptTypes(source)
  const reached = new Uint8Array(code.length)
  // Outer ranges first: an inner one says more.
  const size = (range: { startOffset: number; endOffset: number }) =>
    range.endOffset - range.startOffset
  for (const range of [...ranges].sort((a, b) => size(b) - size(a))) {
    reached.fill(range.count > 0 ? 1 : 0, range.startOffset, range.endOffset)
  }
  const missed: number[] = []
  let n_lines = 0
  let start = 0
  code.split('\n').forEach((line, i) => {
    const isCode = /\w/.test(line) && !/^\s*(\/\/|\/?\*|import\b|export (\*|\{))/.test(line)
    if (isCode) {
      n_lines++
      const first = start + line.search(/\S/)
      if (reached[first] === 0) missed.push(i + 1)
    }
    start += line.length + 1
  })
  return { n_lines, missed }
}
