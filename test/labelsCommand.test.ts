/** `hooke labels`: what people and machines say of a suite, out of one workspace and into another, in both forms. */
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runPipeline } from '../src/jobs/index.ts'
import { hooke } from './commandLine.ts'
import { temporaryFolder, tinyConfig } from './tinySuite.ts'

const HOOK = 'blocks.4.hook_resid_post'
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let suite: string
/** The same suite in another workspace, before anybody said anything about it. */
let copy: string

beforeAll(async () => {
  folder = await temporaryFolder()
  const config = await tinyConfig(folder.path)
  await runPipeline({ ...config, hooks: [HOOK] })
  suite = config.out
  copy = join(folder.path, 'elsewhere', 'renamed')
  await cp(suite, copy, { recursive: true })
  await hooke('label', suite, '--latent', `${HOOK}/3`, 'harbour lights', '--author', 'ann')
})
afterAll(() => folder.remove())

const rowsOf = async (file: string) =>
  (await readFile(file, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

it('carries labels to a copy of the suite, their authors kept, and adds nothing the second time', async () => {
  const file = join(folder.path, 'labels.jsonl')
  const out = await hooke('labels', 'export', suite, '--out', file)
  const rows = await rowsOf(file)
  expect(out).toMatchObject({ code: 0, printed: `${file}: ${rows.length} labels` })
  const by_ann = rows.filter(({ author }) => author === 'ann')
  expect(by_ann).toMatchObject([
    { sae: `${HOOK}~width_64~l0_8`, latent: 3, text: 'harbour lights', method: 'manual' },
  ])
  const first = await hooke('labels', 'import', copy, file, '--json')
  expect(JSON.parse(first.printed)).toEqual({ file, n_lines: rows.length, n_labels: 1, n_votes: 0 })
  const again = await hooke('labels', 'import', copy, file, '--json')
  expect(JSON.parse(again.printed)).toMatchObject({ n_labels: 0 })
  const back = join(folder.path, 'back.jsonl')
  await hooke('labels', 'export', copy, '--out', back)
  // Automatic labels came with the folder, and are as old as their import.
  const said = ({ created_at, method, ...row }: Record<string, unknown>) =>
    method === 'manual' ? { created_at, method, ...row } : { method, ...row }
  expect((await rowsOf(back)).map(said)).toEqual(rows.map(said))
})

it('writes and reads rows as Neuronpedia has them, packed or not, its people and models as authors', async () => {
  const file = join(folder.path, 'theirs.jsonl')
  expect(
    await hooke('labels', 'export', suite, '--out', file, '--format', 'neuronpedia'),
  ).toMatchObject({ code: 0 })
  const rows = await rowsOf(file)
  expect(rows.find(({ authorId }) => authorId === 'ann')).toMatchObject({
    ...{ modelId: 'thimble-5m', layer: '4-tiny-res-64', index: 3 },
    ...{ description: 'harbour lights', typeName: 'hooke_manual' },
  })
  const foreign = [
    {
      layer: '20-other-res-16k',
      index: '5',
      description: 'ships',
      typeName: 'np_max-act',
      explanationModelName: 'a-model',
    },
    { layer: '20-other-res-16k', index: 6, description: 'fog', typeName: null, authorId: 'cleo' },
  ]
  const packed = join(folder.path, 'batch-0.jsonl.gz')
  await writeFile(packed, gzipSync(foreign.map((row) => JSON.stringify(row)).join('\n')))
  const refused = await hooke('labels', 'import', copy, packed)
  expect(refused).toMatchObject({ code: 1 })
  expect(refused.message).toMatch(/2 of 2 lines.*\n.*line 1: names the SAE "20-other-res-16k"/)
  const taken = await hooke('labels', 'import', copy, packed, '--sae', HOOK)
  expect(taken).toMatchObject({
    code: 0,
    printed: `${packed}: 2 lines read, 2 labels and 0 votes entered`,
  })
  const all = join(folder.path, 'all.jsonl')
  await hooke('labels', 'export', copy, '--out', all)
  expect(
    (await rowsOf(all)).filter(({ evidence }) => evidence.startsWith('imported')),
  ).toMatchObject([
    {
      latent: 5,
      text: 'ships',
      method: 'llm',
      author: 'a-model',
      evidence: 'imported: np_max-act',
    },
    { latent: 6, text: 'fog', method: 'manual', author: 'cleo', evidence: 'imported' },
  ])
})

it('says what is wrong with a file or a name, and imports nothing', async () => {
  const file = join(folder.path, 'bad.jsonl')
  const good = {
    sae: `${HOOK}~width_64~l0_8`,
    latent: 1,
    text: 'x',
    method: 'manual',
    author: 'eve',
  }
  const lines = [good, { ...good, latent: 64 }].map((row) => JSON.stringify(row))
  await writeFile(file, `${lines.join('\n')}\n{"\u001b[31m`)
  const bad = await hooke('labels', 'import', copy, file)
  expect(bad.code).toBe(1)
  expect(bad.message).toContain('2 of 3 lines cannot be imported, so none was')
  expect(bad.message).toContain('line 2: latent is 64, expected 0 to 63')
  expect(bad.message).toContain('line 3: ')
  expect(bad.message).not.toContain('\u001b')
  expect(await hooke('labels', 'import', copy, file, '--sae', 'blocks.9')).toMatchObject({
    code: 2,
    message: expect.stringContaining(`expected one of ${HOOK}/width_64/l0_8`),
  })
  await writeFile(`${file}.gz`, 'not packed')
  expect((await hooke('labels', 'import', copy, `${file}.gz`)).message).toContain('packed by gzip')
  const all = join(folder.path, 'after.jsonl')
  await hooke('labels', 'export', copy, '--out', all)
  expect((await rowsOf(all)).some(({ author }) => author === 'eve')).toBe(false)
})
