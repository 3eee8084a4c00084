import { expect, it } from 'vitest'
import { type Badge, badgeOf, type Claims, type Measured, misfit } from './selfTestBadge.ts'

it.each<[Badge, Measured, Claims]>([
  ['green', { l0: 71, fvu: 0.3, delta_ce_loss: 0.2 }, { l0: 71 }],
  ['green', { l0: 95, fvu: 0.3 }, { l0: 71 }],
  ['amber', { l0: 97, fvu: 0.3 }, { l0: 71 }],
  ['amber', { l0: 29, fvu: 0.3 }, { l0: 71 }],
  ['red', { l0: 28, fvu: 0.3 }, { l0: 71 }],
  ['red', { l0: 664, fvu: 0.3 }, { l0: 12.8 }],
  ['red', { l0: 0 }, { l0: 12.8 }],
  // Two latents more are within what text does, where there are few.
  ['green', { l0: 5, fvu: 0.3 }, { l0: 3 }],
  // No claim of L0: any will do.
  ['green', { l0: 900, fvu: 0.7 }, {}],
  ['amber', { l0: 900, fvu: 0.71 }, {}],
  ['red', { l0: 900, fvu: 1.01 }, {}],
  ['green', { l0: 9, fvu: 0.16 }, { fvu: 0.1 }],
  ['amber', { l0: 9, fvu: 0.18 }, { fvu: 0.1 }],
  ['red', { l0: 9, fvu: 0.36 }, { fvu: 0.1 }],
  // No claim makes an FVU above that of the mean right.
  ['red', { l0: 9, fvu: 1.1 }, { fvu: 1.2 }],
  ['green', { l0: 9, delta_ce_loss: 1 }, {}],
  ['amber', { l0: 9, delta_ce_loss: 1.1 }, {}],
  ['red', { l0: 9, delta_ce_loss: 3.1 }, {}],
  ['green', { l0: 9, delta_ce_loss: 0.29 }, { delta_ce_loss: 0.1 }],
  ['amber', { l0: 9, delta_ce_loss: 0.31 }, { delta_ce_loss: 0.1 }],
  ['red', { l0: 9, delta_ce_loss: 0.91 }, { delta_ce_loss: 0.1 }],
  // The worst of them counts.
  ['red', { l0: 71, fvu: 0.3, delta_ce_loss: 4 }, { l0: 71 }],
])('%s: %j, claimed %j', (badge, measured, claims) => {
  expect(badgeOf(measured, claims)).toBe(badge)
})

it('how far numbers are from fitting: nats of L0 and of FVU, together', () => {
  expect(misfit({ l0: 71, fvu: 0.02 }, { l0: 71 })).toBe(0)
  expect(misfit({ l0: 70.9, fvu: 0.2 }, { l0: 7 })).toBeCloseTo(
    Math.log(71 / 7.1) + Math.log(10),
    6,
  )
  expect(misfit({ l0: 7, fvu: 0.2 }, { l0: 70.9 })).toBeCloseTo(
    Math.log(71 / 7.1) + Math.log(10),
    6,
  )
  expect(misfit({ l0: 3, fvu: 0.1 }, { fvu: 0.2 })).toBe(0)
  expect(misfit({ l0: 3 }, {})).toBeCloseTo(Math.log(10 / 0.02), 6)
})
