import { expect, test } from 'vitest'
import {
  canSweep,
  dosesOf,
  formOf,
  freshForm,
  type SteerForm,
  stateOf,
  sweepOf,
} from './steerForm.ts'
import { parseSearch, readSteer, stringifySearch } from './urlState.ts'

const add = { sae: 'a~b~width_1~l0_1', latent: 7, mode: 'add', strength: 1.5 } as const

/** A form as it comes back from its address. */
const returned = (form: SteerForm): SteerForm =>
  formOf(readSteer(parseSearch(stringifySearch(stateOf(form)))))

test('a run goes into its address and back: positions, conditions, instruction, chat, sweep', () => {
  const form: SteerForm = {
    prompt: 'What did you; see?',
    interventions: [
      { ...add, positions: 'answer', conditional: true },
      { ...add, latent: 8, mode: 'clamp', strength: -2, positions: 'prompt', frame: true },
      { ...add, latent: 9, conditional: true, frame: true },
      { ...add, latent: 10 },
    ],
    seed: 5,
    temperature: 0.3,
    tokens: 33,
    instruction: 'A text about “the sea”.',
    chat: true,
    turns: ['Where is he?', 'And "now"?\n'],
    doses: 'both',
    samples: 6,
  }
  expect(returned(form)).toEqual(form)
  expect(returned({ ...form, instruction: undefined, chat: false, turns: [] })).toEqual({
    ...form,
    instruction: undefined,
    chat: false,
    turns: [],
  })
})

test('texts too long for an address stay out of it', () => {
  expect(stateOf({ ...freshForm, prompt: 'a'.repeat(4000) })).not.toHaveProperty('prompt')
})

test('turns that are no list of texts are left out', () => {
  expect(formOf({ turns: '{"a":1}' }).turns).toEqual([])
  expect(formOf({ turns: '["a",2]' }).turns).toEqual([])
  expect(formOf({ turns: '[' }).turns).toEqual([])
})

test('a sweep goes the way of the strongest latent, unless it is said otherwise', () => {
  const form = { ...freshForm, interventions: [add, { ...add, latent: 8, strength: -3 }] }
  expect(dosesOf(form)).toBe('down')
  expect(sweepOf(form).strengths[0]).toBe(-4)
  expect(sweepOf({ ...form, doses: 'both' }).strengths).toHaveLength(15)
  expect(sweepOf({ ...form, doses: 'up', tokens: 500 })).toMatchObject({ max_tokens: 40 })
})

test('ablations alone have no strength to sweep', () => {
  expect(canSweep({ ...freshForm, interventions: [{ ...add, mode: 'ablate' }] })).toBe(false)
  expect(canSweep({ ...freshForm, interventions: [add] })).toBe(true)
})

test('a chat is swept by its first turn', () => {
  const form = { ...freshForm, interventions: [add], chat: true, turns: ['Hello'], prompt: 'And?' }
  expect(sweepOf(form)).toMatchObject({ prompt: 'Hello', chat: [] })
})
