import { setImmediate } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fakeModel } from '../../test/fakeModel.ts'
import { OpenModels } from './openModels.ts'

/** A shelf of fake models, and what it did, in order. */
function shelf() {
  const said: string[] = []
  const models = new OpenModels({
    resolve: async ({ name, offline }) => {
      said.push(offline ? `find ${name} here` : `find ${name}`)
      return `/${name.toLowerCase()}`
    },
    open: async (path) => {
      said.push(`open ${path}`)
      if (path === '/damaged') throw new RangeError('damaged')
      const close = async () => void said.push(`close ${path}`)
      return { ...fakeModel(() => 0, {}), name: path, close }
    },
  })
  const hold = (...names: string[]) => models.hold(names.map((name) => ({ name })))
  /** Whether a hold is granted before anything else happens. */
  const isSettled = (held: Promise<unknown>): Promise<boolean> =>
    Promise.race([held.then(() => true), setImmediate(false)])
  return { models, hold, said, isSettled }
}

it('a model stays open until another is wanted, and is found by any of its names', async () => {
  const { models, hold, said } = shelf()
  const release = await hold('a')
  expect((await models.model('a')).name).toBe('/a')
  await release()
  await (await hold('A'))()
  expect(said).toEqual(['find a', 'open /a', 'find A'])
  await (await hold('b'))()
  expect(said.slice(3)).toEqual(['find b', 'close /a', 'open /b'])
  await models.close()
  expect(said.at(-1)).toBe('close /b')
})

it('what is held is not closed for another, which is opened beside it', async () => {
  const { hold, said } = shelf()
  const release_a = await hold('a')
  const release_b = await hold('b')
  expect(said).not.toContain('close /a')
  await release_b()
  expect(said.at(-1)).toBe('close /b')
  await release_a()
  expect(said).not.toContain('close /a')
})

it('a third model waits for one of two; who needs only what is open does not', async () => {
  const { hold, said, isSettled } = shelf()
  const release_a = await hold('a')
  const release_b = await hold('b')
  const third = hold('c')
  expect(await isSettled(third)).toBe(false)
  expect(await isSettled(hold('b').then((release) => release()))).toBe(true)
  await release_b()
  expect(await isSettled(third)).toBe(true)
  expect(said.slice(-2)).toEqual(['close /b', 'open /c'])
  await release_a()
})

it('two that need two models each wait for each other in turn, not for ever', async () => {
  const { hold, isSettled } = shelf()
  const release = await hold('a', 'b')
  const other = hold('c', 'd')
  expect(await isSettled(other)).toBe(false)
  await release()
  await (await other)()
  // The same model twice is one.
  const twice = await hold('a', 'A')
  expect(await isSettled(hold('c'))).toBe(true)
  await twice()
})

it('who gives up while it waits takes no room', async () => {
  const { models, hold, isSettled } = shelf()
  const release = await hold('a', 'b')
  const stop = new AbortController()
  const given_up = models.hold([{ name: 'c' }], stop.signal)
  const rejected = expect(given_up).rejects.toThrow(/abort/i)
  expect(await isSettled(hold('a'))).toBe(true)
  stop.abort()
  await rejected
  await release()
  expect(await isSettled(hold('d'))).toBe(true)
})

it('a model that cannot be opened takes no room, and is tried again', async () => {
  const { models, hold, said } = shelf()
  for (let n = 1; n <= 2; n++) {
    await expect(hold('a', 'damaged')).rejects.toThrow('damaged')
    expect(said.filter((what) => what === 'open /damaged')).toHaveLength(n)
  }
  await (await hold('b', 'c'))()
  expect(await models.model('b')).toMatchObject({ name: '/b' })
  await (await models.hold([{ name: 'd', offline: true }]))()
  expect(said).toContain('find d here')
})
