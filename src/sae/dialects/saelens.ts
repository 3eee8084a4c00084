/** SAELens's layout (`../saelens.ts`) as one of the published dialects. */

import { parseSaelens } from '../saelens.ts'
import { record } from './config.ts'
import { siteNote } from './finish.ts'
import type { PublishedSae, ReadSaeOptions, SaeFiles, Sites } from './published.ts'
import { toldSites } from './sites.ts'

/** @throws as `parseSaelens`, and FormatError if there is no cfg.json. */
export async function readSaelens(files: SaeFiles, options: ReadSaeOptions): Promise<PublishedSae> {
  const { value } = record(files, 'cfg.json', 'an SAE of SAELens')
  const read = await parseSaelens(value, files.weights, files.where, files.scaling_factor)
  const { architecture, k, metadata, transcoder } = read
  const told = toldSites(options, transcoder !== undefined, files.where)
  const sites: Sites = told ?? {
    hook_name: read.hook_name,
    ...(transcoder === undefined ? {} : { hook_name_out: transcoder.hook_name_out }),
  }
  const folded = Array.isArray(metadata.notes) ? metadata.notes.map(String) : []
  const notes = [
    siteNote(sites, told === undefined ? 'from cfg.json' : 'as told'),
    ...(folded.length > 0
      ? folded
      : ['The encoder takes raw activations; b_dec is added after decoding only.']),
    architecture === 'topk'
      ? `A token keeps its ${k} largest latents of those above 0, and all that tie with the last.`
      : 'A latent is on where its pre-activation is above its threshold (JumpReLU; ReLU is threshold 0).',
  ]
  return {
    dialect: 'saelens',
    sae: {
      ...read,
      hook_name: sites.hook_name,
      ...(transcoder === undefined
        ? {}
        : { transcoder: { ...transcoder, hook_name_out: sites.hook_name_out! } }),
      metadata: { ...metadata, source: files.where, dialect: 'saelens', notes },
    },
    notes,
    ...(k === undefined ? {} : { l0: k }),
    ...(typeof metadata.model_name === 'string' ? { model_name: metadata.model_name } : {}),
  }
}
