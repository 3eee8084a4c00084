/** Many rows through a session, a chunk at a time, so that what it makes inside stays small. */

import type { Tensor } from '#onnxruntime'
import { giveBack } from './giveBack.ts'
import { float, type GraphSession } from './graphSession.ts'

/**
 * @param inputs each [m, its width]. @param feeds the same for every chunk.
 * @param most rows of a chunk; chunks are as equal as they can be.
 * @returns outputs [m, their width].
 */
export async function runRows<Name extends string>(
  session: GraphSession,
  inputs: Readonly<Record<string, Float32Array>>,
  outputs: readonly Name[],
  { m, most, feeds = {} }: { m: number; most: number; feeds?: Readonly<Record<string, Tensor>> },
): Promise<Record<Name, Float32Array>> {
  const step = Math.ceil(m / Math.ceil(m / most))
  const whole: Partial<Record<Name, Float32Array>> = {}
  for (let from = 0; from < m; from += step) {
    const n = Math.min(step, m - from)
    const rows = Object.entries(inputs).map(([name, array]) => {
      const d = array.length / m
      return [name, float(array.subarray(from * d, (from + n) * d), [n, d])]
    })
    const part = await session.run({ ...feeds, ...Object.fromEntries(rows) }, outputs)
    if (n === m) return part
    for (const name of outputs) {
      const width = part[name].length / n
      whole[name] ??= new Float32Array(m * width)
      whole[name].set(part[name], from * width)
      giveBack(part[name])
    }
  }
  return whole as Record<Name, Float32Array>
}
