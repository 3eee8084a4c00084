import { expect, it } from 'vitest'
import { Gate, WorkClock } from './hold.ts'

it('lets work pass while open, holds it while shut, and says once that it holds', async () => {
  let n_told = 0
  const gate = new Gate(() => n_told++)
  expect(gate.pass()).toBeUndefined()
  gate.shut()
  gate.shut()
  expect(n_told).toBe(0)
  const passed: number[] = []
  const waiting = [1, 2].map((n) => gate.pass()?.then(() => passed.push(n)))
  expect(n_told).toBe(1)
  await Promise.resolve()
  expect(passed).toEqual([])
  gate.open()
  await Promise.all(waiting)
  expect(passed).toEqual([1, 2])
  expect(gate.pass()).toBeUndefined()
  gate.shut()
  void gate.pass()
  expect(n_told).toBe(2)
})

it('opens a gate that is open without harm', () => {
  const gate = new Gate(() => {})
  gate.open()
  expect(gate.pass()).toBeUndefined()
})

it('stands still while work waits, counting what waits together once', async () => {
  let now = 100
  const gate = new Gate(() => {})
  const clock = new WorkClock(
    () => gate.pass(),
    () => now,
  )
  expect(clock.hold()).toBeUndefined()
  now = 107
  gate.shut()
  const first = clock.hold()
  now = 110
  const second = clock.hold()
  expect(clock.now()).toBe(107)
  now = 150
  gate.open()
  await Promise.all([first, second])
  expect(clock.now()).toBe(107)
  now = 153
  expect(clock.now()).toBe(110)
})
