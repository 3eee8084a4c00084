/** A suite small enough to make in a test: two sites of the bundled model, 64 latents each, a few pages of the anthology. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PipelineConfig, runPipeline } from '../src/jobs/index.ts'
import { madeOnce } from './madeOnce.ts'

const ANTHOLOGY = join(import.meta.dirname, '../models/thimble-5m/anthology.txt')
const SEPARATOR = '<|endoftext|>'

/** A new empty folder under the system's temporary one; `remove` takes it away. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'hooke-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** A temporary folder with the suite `tiny` in it, finished to its labels, which is the caller's to change. */
export async function tinyWorkspace(): ReturnType<typeof temporaryFolder> {
  const made = await madeOnce('tiny', async (path) => {
    await runPipeline(await tinyConfig(path))
  })
  const folder = await temporaryFolder()
  await cp(made, folder.path, { recursive: true })
  return folder
}

/** Settings of a run of about two seconds; writes its text (the first six documents of the anthology) into the workspace. */
export async function tinyConfig(workspace: string, suite = 'tiny'): Promise<PipelineConfig> {
  const text = join(workspace, 'tiny.txt')
  const documents = (await readFile(ANTHOLOGY, 'utf8')).split(SEPARATOR).slice(0, 6)
  await writeFile(text, documents.join(SEPARATOR))
  return {
    model: 'thimble-5m',
    data: [text],
    out: join(workspace, suite),
    hooks: ['blocks.1.hook_resid_post', 'blocks.4.hook_resid_post'],
    d_sae: [64],
    l0: [8],
    n_tokens: 2048,
    eval_tokens: 150,
    held_out: 0.2,
    batch_size: 256,
    seed: 7,
    threads: 1,
    dtype: 'F32',
  }
}
