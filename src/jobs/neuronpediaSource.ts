/** How the SAEs of a suite are called in Neuronpedia's files. */
import { basename } from 'node:path'
import type { NeuronpediaSource } from '../latents/index.ts'
import { readSaeConfig } from '../sae/disk.ts'
import { type SaeEntry, widthName } from '../sae/index.ts'
import { readSuiteFile } from './suiteFile.ts'

/** How sites are called in the names of source sets. */
const SITE_NAMES: Readonly<Record<string, string>> = {
  hook_resid_post: 'res',
  hook_mlp_out: 'mlp',
  'attn.hook_z': 'att',
}

/**
 * The source of an SAE, `<layer>-<suite>-<site>-<width>`, or why it has none: it lies outside the blocks, or nothing names its model.
 * @param entries all SAEs of the suite: of several alike each name says its L0.
 */
export async function neuronpediaSource(
  suite: string,
  { hook, hook_out, d_sae, l0, path }: SaeEntry,
  entries: readonly SaeEntry[],
): Promise<NeuronpediaSource | { why: string }> {
  const [, layer, site] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? []
  if (layer === undefined || site === undefined)
    return { why: `${hook} lies in no layer, and sources are named by theirs.` }
  const file = await readSuiteFile(suite)
  const named = file?.model.name ?? (await readSaeConfig(path)).metadata.model_name
  if (typeof named !== 'string')
    return { why: 'neither suite.json nor its cfg.json names its model.' }
  const kind =
    hook_out === undefined ? (SITE_NAMES[site] ?? dashed(site.replace('hook_', ''))) : 'transcoder'
  const setName = `${dashed(basename(suite))}-${kind}-${widthName(d_sae)}`
  const isAlone =
    entries.filter(
      (other) => other.hook === hook && other.d_sae === d_sae && other.hook_out === hook_out,
    ).length === 1
  return {
    modelId: basename(named),
    id: `${layer}-${setName}${isAlone ? '' : `__l0-${l0}`}`,
    setName,
    hookName: hook_out ?? hook,
    ...(file === undefined ? {} : { createdAt: file.created }),
  }
}

/** A name in small letters, what is neither letter nor digit as a dash. */
export const dashed = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
