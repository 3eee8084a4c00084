import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sweepLeftovers } from './index.ts'
import { temporaryPath } from './leftovers.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hooke-leftovers-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

it('removes what dead writers left, and nothing that another writes or that is not ours', async () => {
  const own = temporaryPath(join(folder, 'a.safetensors'))
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const mine = (pid: number) => own.replace(`-${process.pid}-`, `-${pid}-`)
  const uuid = '3f2b8c1e-9d4a-4b6f-8e2a-1c5d7f9b0a3e'
  const elsewhere = join(folder, `.b.json.0123abcd-${dead}-${uuid}.tmp`)
  const silent = join(folder, `.c.json.0123abcd-${process.pid}-${uuid}.tmp`)
  const unnamed = join(folder, `.d.json.${uuid}.tmp`)
  const stays = [own, mine(1), elsewhere, join(folder, 'e.tmp'), join(folder, `.f.${uuid}.tmp~`)]
  const goes = [mine(dead), silent, unnamed]
  for (const path of [...stays, ...goes]) writeFileSync(path, 'half')
  const longAgo = new Date(Date.now() - 2 * 3_600_000)
  for (const path of [silent, unnamed, join(folder, 'e.tmp')]) utimesSync(path, longAgo, longAgo)

  expect((await sweepLeftovers([folder, join(folder, 'none')])).sort()).toEqual(goes.sort())
  expect(
    readdirSync(folder)
      .map((name) => join(folder, name))
      .sort(),
  ).toEqual(stays.sort())
})
