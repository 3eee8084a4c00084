/**
 * sparsify (and its forerunner sae): cfg.json and sae.safetensors in a folder named by the module, TopK, SAEs and
 * transcoders with or without a skip.
 *
 * `pre = relu((x - b_dec) encoder.weight^T + encoder.bias)` (a transcoder takes x as it is), the k largest are kept,
 * `recon = acts W_dec + b_dec (+ x W_skip^T)`. The module is only in the folder's name.
 * Source: EleutherAI/sparsify 9d3b136, `sparsify/sparse_coder.py`, `config.py`, `fused_encoder.py`.
 */

import { FormatError, quote } from '../../formats/index.ts'
import { countField, flagField, record, unknownField } from './config.ts'
import { finishSae, siteNote } from './finish.ts'
import { type Draft, foldInputBias, foldInputNorm } from './fold.ts'
import type { PublishedSae, ReadSaeOptions, SaeFiles, Sites } from './published.ts'
import { checkModuleOutput, moduleSite, normLayer, requireMlpNorm, toldSites } from './sites.ts'
import { checkTensors, matrixSizes, readFloats, readTurned } from './tensors.ts'

const WHAT = 'an SAE of sparsify'
const FIELDS = [
  'activation',
  'expansion_factor',
  'normalize_decoder',
  'num_latents',
  'k',
  'multi_topk',
  'skip_connection',
  'transcode',
  'signed',
  'd_in',
] as const

/** @throws FormatError for another activation, field, tensor or module; RangeError for numbers that are not finite. */
export async function readSparsify(
  files: SaeFiles,
  options: ReadSaeOptions,
): Promise<PublishedSae> {
  const { where, weights } = files
  const { path, value } = record(files, 'cfg.json', WHAT)
  const fail = (message: string) => new FormatError(path, message)
  const unknown = unknownField(value, FIELDS)
  if (unknown !== undefined)
    throw fail(`has the unknown field ${quote(unknown)}, which may change what the weights mean.`)
  if ((value.activation ?? 'topk') !== 'topk') {
    throw fail(
      `has activation ${quote(value.activation)}; Hooke runs "topk". GroupMax keeps one latent of each group, which is neither TopK nor JumpReLU.`,
    )
  }
  if (flagField(path, value, 'signed', false))
    throw fail('is signed: it keeps latents below 0, which Hooke does not run.')
  const d_in = countField(path, value, 'd_in')
  const k = countField(path, value, 'k')
  const isTranscoder = flagField(path, value, 'transcode', false)
  const hasSkip = flagField(path, value, 'skip_connection', false)
  const [d_sae] = matrixSizes(weights, 'encoder.weight', WHAT)
  const stated = value.num_latents || d_in * countField(path, value, 'expansion_factor')
  if (stated !== d_sae) {
    throw fail(
      `says there are ${quote(stated)} latents, but encoder.weight has ${d_sae} rows, expected one a latent. Do the files belong together?`,
    )
  }
  checkTensors(
    weights,
    {
      'encoder.weight': { shape: [d_sae, d_in] },
      'encoder.bias': { shape: [d_sae] },
      W_dec: { shape: [d_sae, d_in] },
      b_dec: { shape: [d_in] },
      ...(hasSkip ? { W_skip: { shape: [d_in, d_in] } } : {}),
    },
    WHAT,
  )
  const { sites, from } = sitesOf(where, isTranscoder, options)
  const layer = isTranscoder ? normLayer(sites) : undefined
  const draft: Draft = {
    d_in,
    d_sae,
    d_out: d_in,
    W_enc: await readTurned(weights, 'encoder.weight'),
    b_enc: await readFloats(weights, 'encoder.bias'),
    W_dec: await readFloats(weights, 'W_dec'),
    b_dec: await readFloats(weights, 'b_dec'),
    threshold: new Float32Array(d_sae),
    ...(hasSkip ? { W_skip: await readTurned(weights, 'W_skip') } : {}),
  }
  const notes = [siteNote(sites, from)]
  if (isTranscoder)
    notes.push('The encoder takes its input as it is; b_dec is added after decoding only.')
  else notes.push(foldInputBias(draft))
  if (hasSkip) notes.push('The skip is applied as x W_skip^T there.')
  if (layer !== undefined) {
    const { gain, bias } = await requireMlpNorm(options, layer, d_in, where)
    notes.push(foldInputNorm(draft, gain, bias))
  }
  notes.push(...(await checkModuleOutput(sites, options, where)))
  return finishSae(draft, { dialect: 'sparsify', where, sites, k, notes, l0: k })
}

function sitesOf(
  where: string,
  isTranscoder: boolean,
  options: ReadSaeOptions,
): { readonly sites: Sites; readonly from: string } {
  const told = toldSites(options, isTranscoder, where)
  if (told !== undefined) return { sites: told, from: 'as told' }
  const folder =
    where.split(/[\\/]/).findLast((part) => part !== '' && !part.endsWith('.safetensors')) ?? ''
  const hook = moduleSite(folder)
  const from = `from the folder's name, ${folder}`
  const [, number, site] = /^blocks\.(\d+)\.(.+)$/.exec(hook ?? '') ?? []
  if (hook !== undefined && !isTranscoder) return { sites: { hook_name: hook }, from }
  if (site === 'hook_mlp_out') {
    const block = `blocks.${Number(number)}` as const
    return {
      sites: { hook_name: `${block}.ln2.hook_normalized`, hook_name_out: `${block}.hook_mlp_out` },
      from,
    }
  }
  throw new FormatError(
    where,
    `its folder is named ${quote(folder)}, expected the module that it reads, such as layers.10${isTranscoder ? '.mlp' : ' or layers.10.mlp'}. Give the hook, e.g. blocks.10.hook_resid_post.`,
  )
}
