import { expect, test } from 'vitest'
import {
  formatInterventions,
  formatSuites,
  parseInterventions,
  parseSearch,
  parseSuites,
  readCompare,
  readMicroscope,
  readReview,
  readSearch,
  readSteer,
  type SetIntervention,
  stringifySearch,
} from './urlState.ts'

const sae = 'thimble-5m~blocks.3.hook_resid_post~width_2k~l0_32'

test('a query string goes there and back, and digits stay text', () => {
  const state = { q: '12', text: 'a & b = “c” + d%', latent: `${sae}/7` }
  expect(parseSearch(stringifySearch(state))).toEqual(state)
})

test('what is absent or empty stays out of the address', () => {
  expect(stringifySearch({ q: '', kind: undefined })).toBe('')
})

test('interventions go there and back, whatever the name of the suite', () => {
  const list: SetIntervention[] = [
    { sae, latent: 7, mode: 'add', strength: -1.5 },
    { sae: 'odd;name:%/~h~width_1~l0_2', latent: 0, mode: 'ablate', strength: 0 },
  ]
  const search = stringifySearch({ with: formatInterventions(list) })
  expect(parseInterventions(parseSearch(search).with)).toEqual(list)
})

test('interventions that are not valid are left out, strengths are clamped, and 16 are the most', () => {
  expect(parseInterventions('x;a~b/1:push:1;a~b/1:add:;a~b/-1:add:1')).toEqual([])
  expect(parseInterventions('a~b/1:add:900')[0]?.strength).toBe(100)
  expect(parseInterventions(Array(40).fill('a~b/1:add:1').join(';'))).toHaveLength(16)
  expect(parseInterventions('%E0%A4%A/1:add:1')[0]?.sae).toBe('%E0%A4%A')
})

test('numbers out of range are clamped to what the server takes, and nonsense is left out', () => {
  expect(readSteer({ seed: '3.7', temperature: '99', tokens: '0' })).toEqual({
    seed: 4,
    temperature: 5,
    tokens: 1,
  })
  expect(readSteer({ seed: 'x' })).toEqual({})
})

test('a focused cell is two numbers, and an unknown mode is the default', () => {
  expect(readMicroscope({ at: '3.12', cells: 'wide' })).toEqual({ at: '3.12' })
  expect(readMicroscope({ at: '3' })).toEqual({})
  expect(readSearch({ q: 'sea', kind: 'all' })).toEqual({ q: 'sea' })
  expect(
    readSearch({ kind: 'text', by: 'mean', layer_from: '2', density_to: '7', method: 'lexical' }),
  ).toEqual({ kind: 'text', by: 'mean', layer_from: 2, density_to: 1, method: 'lexical' })
})

test('a review keeps whose labels it is about, and an unknown method is left out', () => {
  const state = { suite: 'a', sae: 's', method: 'llm', author: 'm', blind: 'on', at: 's/3' }
  expect(readReview(state)).toEqual(state)
  expect(readReview({ method: 'magic', blind: 'yes', suite: '' })).toEqual({})
})

test('suites go there and back, each once, six at most', () => {
  const names = ['a,b', 'c d', 'é']
  expect(parseSuites(parseSearch(stringifySearch({ suites: formatSuites(names) })).suites)).toEqual(
    names,
  )
  expect(parseSuites('a~a~~b')).toEqual(['a', 'b'])
  expect(parseSuites('a~b~c~d~e~f~g')).toHaveLength(6)
  expect(parseSuites(undefined)).toEqual([])
})

test('a comparison draws what is measured, over what there is', () => {
  expect(readCompare({ show: 'l0', along: 'time', site: 's' })).toEqual({
    show: 'l0',
    along: 'time',
    site: 's',
  })
  expect(readCompare({ show: 'beauty', along: 'step' })).toEqual({})
})
