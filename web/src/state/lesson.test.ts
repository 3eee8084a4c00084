import { expect, test } from 'vitest'
import { freshLesson, isTried, outcome, type Progress, readProgress } from './lesson.ts'

const trial = (fires: boolean, strength: number) => ({ text: 'the sea', fires, strength })

test('a guess is met, missed or falsely met; a faint answer decides nothing', () => {
  expect(outcome(trial(true, 0.8))).toBe('as guessed')
  expect(outcome(trial(false, 0))).toBe('as guessed')
  expect(outcome(trial(true, 0))).toBe('miss')
  expect(outcome(trial(false, 0.1))).toBe('false alarm')
  expect(outcome(trial(true, 0.09))).toBe('faint')
})

test('a guess is tried once it was asked both ways', () => {
  expect(isTried([trial(true, 0.8), trial(true, 0)])).toBe(false)
  expect(isTried([trial(true, 0.8), trial(false, 0.05)])).toBe(false)
  expect(isTried([trial(true, 0.8), trial(false, 0)])).toBe(true)
})

test('progress is remembered, and what is broken is a fresh start', () => {
  const lesson = {
    ...freshLesson('s~h~width_8~l0_2/3'),
    step: 'falsify' as const,
    trials: [trial(true, 1)],
  }
  const progress: Progress = { lesson, finished: ['a/1'] }
  expect(readProgress(JSON.stringify(progress))).toEqual(progress)
  for (const broken of ['', '{', 'null', '[]', '{"lesson":{"latent":1},"finished":7}'])
    expect(readProgress(broken), broken).toEqual({ finished: [] })
  const odd = { ...progress, lesson: { ...lesson, trials: [1, trial(false, 0), { text: 'x' }] } }
  expect(readProgress(JSON.stringify(odd)).lesson?.trials).toEqual([trial(false, 0)])
})
