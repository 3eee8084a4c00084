import { resolve } from 'node:path'
import { expect, it } from 'vitest'
import { requireAllowed } from './allowedModels.ts'

const ask = (name: string, allowed: 'any' | string[] = ['./tuned', 'owner/name']) =>
  requireAllowed(name, allowed, ['/suites/base'])

it('bundled models, those of suites and those that the owner names may be opened, however a path is written', () => {
  for (const name of ['thimble-5m', '/suites/base', '/suites/x/../base/', './tuned', 'owner/name'])
    expect(() => ask(name), name).not.toThrow()
  expect(() => ask(resolve('tuned'))).not.toThrow()
})

it('others are refused: other folders, those above and below, other revisions, and a folder by a bundled name', () => {
  for (const name of [
    '/etc',
    '/suites',
    '/suites/base/x',
    'owner/other',
    'owner/name@v2',
    '../tuned',
  ])
    expect(() => ask(name), name).toThrow(`does not open ${JSON.stringify(name)} when asked, only`)
  expect(() => ask('./thimble-5m')).toThrow('hooke serve --allow-model')
  expect(() => ask('/etc', [])).toThrow(expect.objectContaining({ status: 403 }))
})

it('any may be opened where the owner allows any', () => {
  expect(() => ask('/etc', 'any')).not.toThrow()
})
