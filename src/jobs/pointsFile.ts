/**
 * points.jsonl of a suite: what was measured of each SAE while it trained, one TrainPoint a line, so that the curves go where
 * the suite goes. Lines are only added; a run that went on from a checkpoint measures some steps again, and the later line counts.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { appendText, pathExists, readText } from '../files/index.ts'
import { parseHookName } from '../sae/index.ts'
import type { TrainPoint } from '../train/index.ts'

export const POINTS_FILE = 'points.jsonl'

const Point = z.object({
  hook: z.string(),
  d_sae: z.int().positive(),
  l0_target: z.number(),
  step: z.int(),
  n_steps: z.int(),
  n_tokens: z.number(),
  mse: z.number(),
  sparsity_loss: z.number(),
  aux_loss: z.number(),
  lambda: z.number(),
  l0: z.number(),
  fvu: z.number(),
  dead: z.number(),
  tokens_per_s: z.number(),
})

/** The file being written, without holding its caller up. */
export class PointsFile {
  readonly #path: string
  #written: Promise<void>

  constructor(suite: string) {
    this.#path = join(suite, POINTS_FILE)
    // What a kill left of a line ends here, and stands alone.
    this.#written = pathExists(this.#path).then((isThere) =>
      isThere ? appendText(this.#path, '\n') : undefined,
    )
  }

  add(points: readonly TrainPoint[]): void {
    const lines = points.map((point) => `${JSON.stringify(point)}\n`).join('')
    this.#written = this.#written.then(() => appendText(this.#path, lines))
    // Told by `close`.
    this.#written.catch(() => {})
  }

  /** @throws FileError if a line could not be written. */
  close(): Promise<void> {
    return this.#written
  }
}

/** The points of a suite, in the order of their first measurement; none where it has no such file. Half a line is left out. */
export async function readPoints(suite: string): Promise<TrainPoint[]> {
  const path = join(suite, POINTS_FILE)
  const found = new Map<string, TrainPoint>()
  if (!(await pathExists(path))) return []
  for (const line of (await readText(path)).split('\n')) {
    const point = Point.safeParse(parsed(line))
    if (!point.success) continue
    const { hook, d_sae, l0_target, step } = point.data
    found.set(`${hook} ${d_sae} ${l0_target} ${step}`, {
      ...point.data,
      hook: parseHookName(hook, path),
    })
  }
  return [...found.values()]
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
