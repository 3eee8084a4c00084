/**
 * dictionary_learning: ae.pt (a state dict) and config.json, which names the class.
 *
 * | dict_class | acts | recon |
 * |---|---|---|
 * | AutoEncoder | relu((x - bias) encoder.weight^T + encoder.bias), decoder columns then put to norm 1 | acts decoder.weight^T + bias |
 * | AutoEncoderNew | relu(x encoder.weight^T + encoder.bias) | acts decoder.weight^T + decoder.bias |
 * | GatedAutoEncoder | with u = (x - decoder_bias) encoder.weight^T: relu(exp(r_mag) u + mag_bias) where u + gate_bias > 0 | acts decoder.weight^T + decoder_bias |
 * | AutoEncoderTopK | the k largest of relu((x - b_dec) encoder.weight^T + encoder.bias) | acts decoder.weight^T + b_dec |
 * | BatchTopKSAE | of the same those above one threshold | the same |
 * | MatryoshkaBatchTopKSAE | relu((x - b_dec) W_enc + b_enc) above one threshold | acts W_dec + b_dec |
 * | JumpReluAutoEncoder | relu(x W_enc + b_enc) above its own threshold | acts W_dec + b_dec |
 *
 * `encoder.weight` is [d_sae, d_in], `decoder.weight` [d_in, d_sae], `W_enc` [d_in, d_sae], `W_dec` [d_sae, d_in].
 * Source: saprmarks/dictionary_learning 60ec6bf, `dictionary.py`, `trainers/*.py`, `utils.py` (`load_dictionary`).
 */

import { FormatError, quote, type TensorFile } from '../../formats/index.ts'
import type { HookName } from '../../model/index.ts'
import { type Config, countField, isRecord, record, unknownField } from './config.ts'
import { finishSae, siteNote } from './finish.ts'
import { type Draft, foldDecoderNorms, foldGate, foldInputBias } from './fold.ts'
import type { PublishedSae, ReadSaeOptions, SaeFiles, Sites } from './published.ts'
import { checkModuleOutput, toldSites } from './sites.ts'
import { checkTensors, readFloats, readNumber, readTurned, type TensorSpec } from './tensors.ts'

const CLASSES = [
  'AutoEncoder',
  'AutoEncoderNew',
  'GatedAutoEncoder',
  'AutoEncoderTopK',
  'BatchTopKSAE',
  'MatryoshkaBatchTopKSAE',
  'JumpReluAutoEncoder',
] as const
type Class = (typeof CLASSES)[number]

/** Settings of training that do not change what the weights mean, beside those that are read. */
const TRAINER_FIELDS = [
  'trainer_class', 'dict_class', 'activation_dim', 'dict_size', 'k', 'layer', 'lm_name', 'submodule_name', 'lr', 'steps', 'seed', 'device',
  'wandb_name', 'warmup_steps', 'sparsity_warmup_steps', 'resample_steps', 'decay_start', 'l1_penalty', 'auxk_alpha', 'threshold_beta',
  'threshold_start_step', 'top_k_aux', 'k_anneal_steps', 'group_fractions', 'group_weights', 'group_sizes', 'bandwidth', 'sparsity_penalty',
  'target_l0', 'sparsity_function', 'initial_sparsity_penalty', 'p_start', 'p_end', 'anneal_start', 'anneal_end', 'n_sparsity_updates',
  'sparsity_queue_length',
] // biome-ignore format: a list

/** @throws FormatError for another class, field, tensor or site; RangeError for numbers that are not finite. */
export async function readDictionaryLearning(
  files: SaeFiles,
  options: ReadSaeOptions,
): Promise<PublishedSae> {
  const { where, weights } = files
  const { path, value } = record(files, 'config.json', 'an SAE of dictionary_learning')
  const fail = (message: string) => new FormatError(path, message)
  const { trainer, buffer } = value
  const strange = unknownField(value, ['trainer', 'buffer'])
  if (strange !== undefined || !isRecord(trainer)) {
    throw fail(
      strange === undefined
        ? 'has no "trainer".'
        : `has the unknown field ${quote(strange)}, expected trainer and buffer.`,
    )
  }
  const unknown = unknownField(trainer, TRAINER_FIELDS)
  if (unknown !== undefined)
    throw fail(
      `has the unknown field ${quote(unknown)} in trainer, which may change what the weights mean.`,
    )
  const dict_class = CLASSES.find((known) => known === trainer.dict_class)
  if (dict_class === undefined) {
    throw fail(`has dict_class ${quote(trainer.dict_class)}; Hooke reads ${CLASSES.join(', ')}.`)
  }
  const d_in = countField(path, trainer, 'activation_dim')
  const d_sae = countField(path, trainer, 'dict_size')
  const what = `${dict_class} of ${d_in} x ${d_sae}`
  checkTensors(weights, specsOf(dict_class, d_in, d_sae, weights), what)
  const told = toldSites(options, false, where)
  const { sites, from } =
    told === undefined ? sitesOf(trainer, buffer, path) : { sites: told, from: 'as told' }
  const assumed = await checkModuleOutput(sites, options, where)
  const { draft, k, notes } = await READERS[dict_class](weights, d_in, d_sae)
  if (k !== undefined && 'k' in trainer && trainer.k !== k)
    throw fail(`says k is ${quote(trainer.k)}, but the weights hold ${k}.`)
  return finishSae(draft, {
    dialect: 'dictionary-learning',
    where,
    sites,
    notes: [siteNote(sites, from), ...assumed, ...notes],
    ...(dict_class === 'AutoEncoderTopK' && k !== undefined ? { k } : {}),
    l0: k,
    model_name: typeof trainer.lm_name === 'string' ? trainer.lm_name : undefined,
  })
}

type Read = { readonly draft: Draft; readonly k?: number; readonly notes: readonly string[] }

const READERS: Readonly<
  Record<Class, (file: TensorFile, d_in: number, d_sae: number) => Promise<Read>>
> = {
  async AutoEncoder(file, d_in, d_sae) {
    const draft = await linear(file, d_in, d_sae, 'encoder.bias', 'bias')
    const centred = foldInputBias(draft)
    return { draft, notes: [centred, foldDecoderNorms(draft)] }
  },
  async AutoEncoderNew(file, d_in, d_sae) {
    const draft = await linear(file, d_in, d_sae, 'encoder.bias', 'decoder.bias')
    return { draft, notes: [AS_IT_IS] }
  },
  async GatedAutoEncoder(file, d_in, d_sae) {
    const draft = await linear(file, d_in, d_sae, 'gate_bias', 'decoder_bias')
    const mag_bias = await readFloats(file, 'mag_bias')
    // b_dec is taken off before both paths, so the gate is folded first and b_dec off the one encoder that is left.
    const gate = foldGate(draft, await readFloats(file, 'r_mag'), mag_bias)
    return { draft, notes: [gate, foldInputBias(draft)] }
  },
  async AutoEncoderTopK(file, d_in, d_sae) {
    const draft = await linear(file, d_in, d_sae, 'encoder.bias', 'b_dec')
    const notes = [
      foldInputBias(draft),
      'Its one threshold, an alternative to k, is left unused, as that program does.',
    ]
    return { draft, k: await readNumber(file, 'k'), notes }
  },
  async BatchTopKSAE(file, d_in, d_sae) {
    const draft = await linear(file, d_in, d_sae, 'encoder.bias', 'b_dec')
    return {
      draft,
      k: await readNumber(file, 'k'),
      notes: [foldInputBias(draft), await oneThreshold(draft, file)],
    }
  },
  async MatryoshkaBatchTopKSAE(file, d_in, d_sae) {
    const draft = await direct(file, d_in, d_sae)
    return {
      draft,
      k: await readNumber(file, 'k'),
      notes: [foldInputBias(draft), await oneThreshold(draft, file)],
    }
  },
  async JumpReluAutoEncoder(file, d_in, d_sae) {
    const draft = await direct(file, d_in, d_sae)
    draft.threshold.set(await readFloats(file, 'threshold'))
    return { draft, notes: [AS_IT_IS] }
  },
}

const AS_IT_IS = 'The encoder takes raw activations; b_dec is added after decoding only.'

async function linear(
  file: TensorFile,
  d_in: number,
  d_sae: number,
  b_enc: string,
  b_dec: string,
): Promise<Draft> {
  return {
    d_in,
    d_sae,
    d_out: d_in,
    W_enc: await readTurned(file, 'encoder.weight'),
    b_enc: await readFloats(file, b_enc),
    W_dec: await readTurned(file, 'decoder.weight'),
    b_dec: await readFloats(file, b_dec),
    threshold: new Float32Array(d_sae),
  }
}

async function direct(file: TensorFile, d_in: number, d_sae: number): Promise<Draft> {
  return {
    d_in,
    d_sae,
    d_out: d_in,
    W_enc: await readFloats(file, 'W_enc'),
    b_enc: await readFloats(file, 'b_enc'),
    W_dec: await readFloats(file, 'W_dec'),
    b_dec: await readFloats(file, 'b_dec'),
    threshold: new Float32Array(d_sae),
  }
}

async function oneThreshold({ threshold }: Draft, file: TensorFile): Promise<string> {
  const theta = await readNumber(file, 'threshold')
  threshold.fill(theta)
  if (theta < 0) return 'Its threshold was never set in training: every latent above 0 is on.'
  return `All latents have the threshold ${theta}, the mean of what BatchTopK let through.`
}

function specsOf(
  dict_class: Class,
  d_in: number,
  d_sae: number,
  file: TensorFile,
): Record<string, TensorSpec> {
  const weights: Record<string, TensorSpec> = {
    'encoder.weight': { shape: [d_sae, d_in] },
    'decoder.weight': { shape: [d_in, d_sae] },
  }
  const turned: Record<string, TensorSpec> = {
    W_enc: { shape: [d_in, d_sae] },
    b_enc: { shape: [d_sae] },
    W_dec: { shape: [d_sae, d_in] },
    b_dec: { shape: [d_in] },
  }
  const bias: TensorSpec = { shape: [d_sae] }
  const k: TensorSpec = { shape: [], kind: 'integer' }
  switch (dict_class) {
    case 'AutoEncoder':
      return { ...weights, 'encoder.bias': bias, bias: { shape: [d_in] } }
    case 'AutoEncoderNew':
      return { ...weights, 'encoder.bias': bias, 'decoder.bias': { shape: [d_in] } }
    case 'GatedAutoEncoder':
      return {
        ...weights,
        r_mag: bias,
        gate_bias: bias,
        mag_bias: bias,
        decoder_bias: { shape: [d_in] },
      }
    case 'AutoEncoderTopK':
      return {
        ...weights,
        'encoder.bias': bias,
        b_dec: { shape: [d_in] },
        k,
        threshold: { shape: [], isOptional: true },
      }
    case 'BatchTopKSAE':
      return {
        ...weights,
        'encoder.bias': bias,
        b_dec: { shape: [d_in] },
        k,
        threshold: { shape: [] },
      }
    case 'MatryoshkaBatchTopKSAE':
      return {
        ...turned,
        k,
        threshold: { shape: [] },
        // Of any number of groups: all latents are on at once, so they say nothing here.
        group_sizes: { shape: file.tensors.get('group_sizes')?.shape ?? [1], kind: 'integer' },
      }
    case 'JumpReluAutoEncoder':
      return { ...turned, threshold: { shape: [d_sae] } }
    default:
      return dict_class satisfies never
  }
}

/** What a submodule is called; that program leaves the name to whoever trains. */
const SUBMODULES: readonly (readonly [RegExp, string])[] = [
  [/^(?:resid(?:_post)?(?:_layer)?)_?\d*$/, 'hook_resid_post'],
  [/^mlp(?:_out)?(?:_layer)?_?\d*$/, 'hook_mlp_out'],
  [/^(?:attn|attention)(?:_out)?(?:_layer)?_?\d*$/, 'hook_attn_out'],
]

function sitesOf(
  trainer: Config,
  buffer: unknown,
  path: string,
): { readonly sites: Sites; readonly from: string } {
  const { layer, submodule_name } = trainer
  const io = isRecord(buffer) ? (buffer.io ?? 'out') : 'out'
  const name = submodule_name ?? 'resid_post'
  const site = SUBMODULES.find(([pattern]) => typeof name === 'string' && pattern.test(name))?.[1]
  if (site === undefined || io !== 'out' || !Number.isSafeInteger(layer) || (layer as number) < 0) {
    throw new FormatError(
      path,
      `names submodule ${quote(submodule_name)}, layer ${quote(layer)}, io ${quote(io)}, which do not tell the site; expected resid_post, mlp_out or attn_out, a layer, and "out". Give the hook, e.g. blocks.8.hook_resid_post.`,
    )
  }
  const hook_name = `blocks.${layer as number}.${site}` as HookName
  return {
    sites: { hook_name },
    from:
      submodule_name == null
        ? `layer ${layer} of config.json, which names no submodule: the residual stream is assumed`
        : `submodule ${submodule_name} of config.json`,
  }
}
