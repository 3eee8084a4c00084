import { expect, test } from 'vitest'
import type { Microscope, SaeSummary } from '../../../src/api/index.ts'
import { readSheet, startCell } from './sheet.ts'

const id = (layer: number) => `s~blocks.${layer}.hook_resid_post~width_2k~l0_32`
const sae = (layer: number, state: SaeSummary['state']): SaeSummary => ({
  id: id(layer),
  suite: 's',
  hook: `blocks.${layer}.hook_resid_post`,
  d_in: 5,
  d_sae: 7,
  state,
  n_labelled: 0,
})
const data: Microscope = {
  rank: 'activation',
  tokens: ['<bos>', ' sea', ' moon'].map((piece, i) => ({ id: i, piece, special: i === 0 })),
  token_loss: [null, 2, 3],
  predictions: [[], [], []],
  rows: [
    {
      sae: id(1),
      hook: 'blocks.1.hook_resid_post',
      layer: 1,
      cells: [
        [],
        [{ index: 4, act: 2 }],
        [
          { index: 6, act: 9, strength: 0.9 },
          { index: 4, act: 1 },
        ],
      ],
      l0: [0, 1, 2],
    },
  ],
  latents: [
    { sae: id(1), hook: 'blocks.1.hook_resid_post', index: 4, max_act: 4 },
    { sae: id(1), hook: 'blocks.1.hook_resid_post', index: 6, max_act: 10 },
  ],
  left_out: [],
}

test('sites still in training keep their row, in the order of the suite', () => {
  const sheet = readSheet(data, [sae(0, 'training'), sae(1, 'indexed'), sae(2, 'waiting')])
  expect(sheet.rows.map((r) => [r.name, r.waitingFor ?? 'filled'])).toEqual([
    ['layer 0', 'training'],
    ['layer 1', 'filled'],
    ['layer 2', 'waiting'],
  ])
})

test('a latent is traced to every token where it is among the strongest, as a share of its maximum', () => {
  const sheet = readSheet(data, [])
  const trace = sheet.trace(`${id(1)}/4`)
  expect(trace?.row).toBe(0)
  expect([...(trace?.columns ?? [])]).toEqual([
    [1, { act: 2, weight: 0.5 }],
    [2, { act: 1, weight: 0.25 }],
  ])
  expect(sheet.trace('nothing/1')).toBeUndefined()
})

test('ranked by effect, cells weigh by the full effect, with its sign', () => {
  const cells = [[], [{ index: 4, act: 2, effect: -3 }], [{ index: 6, act: 9, effect: 1.5 }]]
  const rows = [{ ...data.rows[0]!, cells }]
  const sheet = readSheet({ ...data, rank: 'predicted', rows }, [])
  expect(sheet.full_effect).toBe(1.5)
  expect(sheet.weight(sheet.rows[0]!, cells[1]![0]!)).toBe(-2)
  expect(sheet.trace(`${id(1)}/6`)?.columns.get(2)).toEqual({ act: 9, weight: 1 })
})

test('the start is the strongest cell, and the first token where nothing is trained', () => {
  expect(startCell(readSheet(data, []))).toEqual({ row: 0, column: 2 })
  expect(startCell(readSheet({ ...data, rows: [] }, []))).toEqual({ row: 0, column: 1 })
})
