/** SAEs that can be used from their file: JumpReLU, and nothing to fold into the matrices. */

import { type ByteSource, FormatError, type TensorFile } from '../../formats/index.ts'
import { gemmaScopeSites } from '../gemmaScope.ts'
import { parseSaelensConfig } from '../saelensConfig.ts'
import type { SaeOnDisk } from '../streamed.ts'
import { record } from './config.ts'
import { readGemmaScope2Config } from './gemmaScope2.ts'
import type { Dialect, SaeFiles, Sites } from './published.ts'
import { checkTensors, matrixSizes, readFloats } from './tensors.ts'

/** @throws FormatError for an SAE that must be loaded whole, or whose files are not as its dialect says. */
export async function describeOnDisk(
  dialect: Dialect,
  files: SaeFiles,
  source: ByteSource,
  told?: Sites,
): Promise<SaeOnDisk> {
  const { where, weights } = files
  const { sites, upper } = sitesOf(dialect, files, told)
  const names = upper ? ['W_enc', 'W_dec'] : ['w_enc', 'w_dec']
  const [W_enc, W_dec] = names as [string, string]
  const what = `an SAE of the dialect ${dialect}`
  const [d_in, d_sae] = matrixSizes(weights, W_enc, what)
  const [, d_dec] = matrixSizes(weights, W_dec, what)
  const d_out = sites.hook_name_out === undefined ? d_in : d_dec
  checkTensors(
    weights,
    {
      [W_enc]: { shape: [d_in, d_sae] },
      [W_dec]: { shape: [d_sae, d_out] },
      b_enc: { shape: [d_sae] },
      b_dec: { shape: [d_out] },
      threshold: { shape: [d_sae] },
    },
    what,
  )
  const { hook_name, hook_name_out } = sites
  return {
    hook_name,
    d_in,
    d_sae,
    b_enc: await finite(weights, 'b_enc'),
    b_dec: await finite(weights, 'b_dec'),
    threshold: (await finite(weights, 'threshold')).map((theta) => Math.max(0, theta)),
    ...(hook_name_out === undefined ? {} : { transcoder: { hook_name_out, d_out } }),
    metadata: { source: where, dialect },
    source,
    W_enc: weights.tensors.get(W_enc)!,
    W_dec: weights.tensors.get(W_dec)!,
  }
}

function sitesOf(
  dialect: Dialect,
  files: SaeFiles,
  told: Sites | undefined,
): { readonly sites: Sites; readonly upper: boolean } {
  const whole = (why: string) =>
    new FormatError(files.where, `${why}, so it cannot be used from its file. Load it whole.`)
  switch (dialect) {
    case 'gemma-scope': {
      const sites = told ?? gemmaScopeSites(files.where)
      if (sites.hook_name === 'hook_embed') throw whole('is scaled to the embedding')
      return { sites, upper: true }
    }
    case 'gemma-scope-2': {
      const { sites, isBehindGain, hasSkip } = readGemmaScope2Config(files)
      if (isBehindGain) throw whole("reads behind a norm's gain")
      if (hasSkip) throw whole('has a skip')
      return { sites: told ?? sites, upper: false }
    }
    case 'saelens': {
      const config = parseSaelensConfig(
        record(files, 'cfg.json', 'an SAE of SAELens').value,
        files.where,
      )
      const { activation, transcoder, hook_name } = config
      if (
        activation !== 'jumprelu' ||
        config.apply_b_dec_to_input ||
        config.isScaled ||
        config.isFinetuned
      ) {
        throw whole('is not JumpReLU on raw activations')
      }
      if (transcoder?.hasSkip) throw whole('has a skip')
      const sites =
        transcoder === undefined
          ? { hook_name }
          : { hook_name, hook_name_out: transcoder.hook_name_out }
      return { sites: told ?? sites, upper: true }
    }
    case 'sparsify':
    case 'dictionary-learning':
    case 'llama-scope':
      throw whole(`is in the dialect ${dialect}, whose matrices lie turned or need folding`)
    default:
      return dialect satisfies never
  }
}

async function finite(weights: TensorFile, name: string): Promise<Float32Array> {
  const values = await readFloats(weights, name)
  const bad = values.findIndex((value) => !Number.isFinite(value))
  if (bad < 0) return values
  throw new RangeError(
    `${weights.name}: ${name}[${bad}] is ${values[bad]}, expected finite numbers. The file is damaged.`,
  )
}
