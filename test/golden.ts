/** Reference values from other programs, and how near is near enough. */

import { expect } from 'vitest'
import { openFolder } from '../src/files/index.ts'
import { parseSafetensors, toFloat32, toInt32 } from '../src/formats/index.ts'

export type Golden = {
  /** Rows of `input_ids`. */
  readonly sequences: readonly Int32Array[]
  readonly names: ReadonlySet<string>
  values(name: string): Promise<Float32Array>
}

/** golden.safetensors of a model's folder. */
export async function openGolden(folder: string): Promise<Golden> {
  const source = await openFolder(folder).open('golden.safetensors')
  const file = await parseSafetensors(source!)
  const [n_seqs, seq_len] = file.tensors.get('input_ids')!.shape as [number, number]
  const ids = toInt32(await file.read('input_ids'))
  return {
    sequences: Array.from({ length: n_seqs }, (_, row) =>
      ids.slice(row * seq_len, (row + 1) * seq_len),
    ),
    names: new Set(file.tensors.keys()),
    values: async (name) => toFloat32(await file.read(name)),
  }
}

/**
 * Fails unless all numbers agree within `tolerance` of the largest magnitude expected; names the worst index.
 * NaN agrees with NaN only.
 */
export function expectClose(
  actual: Float32Array | undefined,
  expected: Float32Array,
  tolerance: number,
  what = 'array',
): void {
  expect(actual?.length, `${what}: length`).toBe(expected.length)
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value) || 0), 0)
  let worst = 0
  let difference = 0
  expected.forEach((value, i) => {
    const found = actual![i]!
    const apart = Number.isNaN(value) && Number.isNaN(found) ? 0 : Math.abs(found - value)
    if (!(apart <= difference)) [worst, difference] = [i, apart]
  })
  expect(
    difference <= tolerance * largest,
    `${what}[${worst}] is ${actual![worst]}, expected ${expected[worst]} within ${tolerance} of ${largest}`,
  ).toBe(true)
}
