/** What a run is about to do: the SAEs it makes, the texts it reads, and whether the folder's suite agrees. */
import { basename } from 'node:path'
import { readCorpus, splitCorpus, type TokenCorpus, textStart } from '../activations/index.ts'
import { makeFolder, packageVersion } from '../files/index.ts'
import {
  BLOCK_HOOKS,
  expandHooks,
  type HookName,
  isReadOnly,
  type Model,
  type Precision,
  type Tokenizer,
} from '../model/index.ts'
import type { SaeEntry } from '../sae/index.ts'
import type { SaeSpec } from '../train/index.ts'
import type { PipelineConfig } from './config.ts'
import { hasPieces, writePieces } from './pieces.ts'
import { firstSentences, readSuiteFile, type SuiteFile, writeSuiteFile } from './suiteFile.ts'

/** The texts of a run, each read when first needed. */
export type Texts = {
  /** The text of `data`, cut into training and held-out documents. */
  readonly training: () => Promise<{
    whole: TokenCorpus
    train: TokenCorpus
    held_out: TokenCorpus
  }>
  /** What is evaluated on: `eval_data`, or the held-out documents. */
  readonly evaluation: () => Promise<TokenCorpus>
  /** What examples come from: `index_data`, or all of `data`. */
  readonly examples: () => Promise<TokenCorpus>
}

/** Of a data set on the Hub so much more is read than was asked for: some of its tokens are special, and do not count. */
const HUB_MARGIN = 1.1
/** Text is cheaper than training: what is held out shall be enough to measure on, and examples enough to choose from. */
const LEAST_HUB_TOKENS = 1_000_000

/** The texts that a configuration names: files whole, of data sets on the Hub what the settings need. */
export function openTexts(
  config: PipelineConfig,
  { n_ctx, tokenizer }: { n_ctx: number; tokenizer: Tokenizer },
  signal: AbortSignal,
  onRead?: (n_tokens: number) => void,
): Texts {
  const { data, eval_data, index_data, held_out, seed, text_column } = config
  const read = (names: readonly string[], wanted_tokens: number) => {
    const hub_tokens = Math.ceil(HUB_MARGIN * wanted_tokens)
    const onProgress = throttled(onRead)
    return readCorpus(names, tokenizer, { n_ctx, text_column, hub_tokens, signal, onProgress })
  }
  // Decided by what a suite keeps from its beginning alone, or what is held out would change.
  const trained = Math.max(config.n_tokens / (1 - held_out), LEAST_HUB_TOKENS)
  const indexed = config.index_tokens ?? Math.max(config.n_tokens, LEAST_HUB_TOKENS)
  const training = once(async () => {
    const whole = await read(data, trained)
    return { whole, ...splitCorpus(whole, { held_out, seed }) }
  })
  return {
    training,
    evaluation: once(async () =>
      eval_data ? read(eval_data, config.eval_tokens) : (await training()).held_out,
    ),
    examples: once(async () => (index_data ? read(index_data, indexed) : (await training()).whole)),
  }
}

/**
 * Writes suite.json, or holds the one that is there against the settings.
 * @throws RangeError if the folder's suite was begun with other settings; as `expandHooks` and `readCorpus`.
 */
export async function planSuite(
  config: PipelineConfig,
  model: Model,
  texts: Texts,
): Promise<SuiteFile> {
  const suite = await beginSuite(config, {
    model,
    hooks: expandHooks(config.hooks, model.hooks),
    width: model.width,
    text: async () => {
      const { whole } = await texts.training()
      return { data_hash: whole.hash, ...sampleOf(await texts.examples(), model.tokenizer) }
    },
  })
  if (model.tokenizer && !(await hasPieces(config.out)))
    await writePieces(config.out, model.tokenizer.pieces)
  return suite
}

/**
 * The SAEs that settings ask for at sites, or the transcoders.
 * @param width of every site there is; throws for others.
 */
export function askedSaes(
  { d_sae: widths, l0: targets, hook_out }: Pick<PipelineConfig, 'd_sae' | 'l0' | 'hook_out'>,
  hooks: readonly HookName[],
  width: (hook: HookName) => number,
): SuiteFile['saes'] {
  return hooks.flatMap((hook) => {
    const site = { hook, d_in: width(hook) }
    const output = hook_out === undefined ? {} : { hook_out: outputOf(hook, hook_out) }
    return [...new Set(widths)].flatMap((d_sae) =>
      [...new Set(targets)].map((l0) => ({ ...site, d_sae, l0, ...output })),
    )
  })
}

/** The site of the same block that a transcoder writes. @throws RangeError if the input lies in no block, or it is no such site. */
export function outputOf(hook: HookName, hook_out: string): HookName {
  const block = /^blocks\.\d+\./.exec(hook)?.[0]
  const writable = BLOCK_HOOKS.filter((name) => !isReadOnly(`blocks.0.${name}`))
  const found = writable.find((name) => name === hook_out.replace(/^blocks\.\*\./, ''))
  if (block !== undefined && found !== undefined) return `${block}${found}` as HookName
  throw new RangeError(
    block === undefined
      ? `${hook} lies in no block, so that a transcoder has no site to write there. Give --hooks inside blocks.`
      : `${hook_out} is no site of a block that can be written, expected one of ${writable.join(', ')}.`,
  )
}

/** Every site that the SAEs of a suite read or write, each once. */
export const sitesOf = (saes: readonly Pick<SaeSpec, 'hook' | 'hook_out'>[]): HookName[] => [
  ...new Set(
    saes.flatMap(({ hook, hook_out }) => (hook_out === undefined ? [hook] : [hook, hook_out])),
  ),
]

/** What training takes of a suite's entry. */
export const specOf = ({ hook, d_sae, l0, hook_out }: SaeSpec): SaeSpec => ({
  hook,
  d_sae,
  l0,
  ...(hook_out === undefined ? {} : { hook_out }),
})

/**
 * suite.json of a suite that begins, written; or the one that is there, if it was begun with the same settings.
 * @param origin.text called for a new suite only.
 * @throws RangeError for sizes that cannot be trained, or if the folder's suite was begun with other settings.
 */
export async function beginSuite(
  config: PipelineConfig,
  origin: {
    readonly model: { readonly name: string; readonly hash: string }
    readonly hooks: readonly HookName[]
    readonly width: (hook: HookName) => number
    readonly text: () => Promise<{ data_hash: string; sample_text?: string }>
  },
): Promise<SuiteFile> {
  const { model, hooks, width, text } = origin
  const found = await readSuiteFile(config.out)
  if (found) {
    checkBegun(config, found, model)
    return found
  }
  checkSizes(config)
  const suite: SuiteFile = {
    name: basename(config.out),
    model: { name: model.name, path: config.model, hash: model.hash },
    config: settingsOf(config),
    version: packageVersion(),
    created: new Date().toISOString(),
    saes: askedSaes(config, hooks, width),
    ...(await text()),
    pipeline: config,
  }
  await makeFolder(config.out)
  await writeSuiteFile(config.out, suite)
  return suite
}

/**
 * How the model of a suite lies in memory: as the suite was begun, or as asked where it is not there.
 * @throws RangeError if it was begun otherwise than asked.
 */
export async function weightsOfSuite(
  out: string,
  asked: Precision | undefined,
): Promise<Precision> {
  const found = await readSuiteFile(out)
  const begun = found && (found.pipeline?.weights ?? 'f32')
  if (begun !== undefined && asked !== undefined && asked !== begun)
    throw new RangeError(
      `${out}: this suite is measured with the model's weights in ${begun}, now asked for ${asked}. Leave out --weights, or give another folder.`,
    )
  return begun ?? asked ?? 'f32'
}

/**
 * suite.json of a suite that holds SAEs from elsewhere, so that it is measured, indexed and shown like one that was trained
 * here; one that is there is told of those that are new to it.
 * @param weights how its model lies in memory, of a suite that begins.
 * @throws RangeError if the folder's suite belongs to another model.
 */
export async function adoptSaes(
  out: string,
  model: { readonly name: string; readonly path: string; readonly hash: string },
  entries: readonly SaeEntry[],
  weights: Precision = 'f32',
): Promise<void> {
  const found = await readSuiteFile(out)
  if (found && found.model.hash !== model.hash)
    throw new RangeError(
      `${out}: this suite belongs to the model ${found.model.name}, and these SAEs are to read ${model.name}. Give another folder.`,
    )
  const config: PipelineConfig = found?.pipeline ?? {
    model: model.path,
    ...(weights === 'f32' ? {} : { weights }),
    data: [],
    out,
    hooks: [...new Set(entries.map(({ hook }) => hook))],
    d_sae: [...new Set(entries.map(({ d_sae }) => d_sae))],
    l0: [...new Set(entries.map(({ l0 }) => l0))],
    n_tokens: 0,
    eval_tokens: 20_000,
    held_out: 0,
    batch_size: 0,
    seed: 0,
    threads: 2,
    dtype: 'F32',
  }
  const saes = new Map(
    [...(found?.saes ?? []), ...entries].map((entry) => [
      `${entry.hook}/${entry.d_sae}/${entry.l0}`,
      { ...specOf(entry), d_in: entry.d_in },
    ]),
  )
  await makeFolder(out)
  await writeSuiteFile(out, {
    data_hash: 'unknown',
    config: settingsOf(config),
    version: packageVersion(),
    created: new Date().toISOString(),
    pipeline: config,
    ...found,
    name: basename(out),
    model,
    saes: [...saes.values()],
  })
}

/** Said before anything is captured or written. @throws RangeError naming the sizes that do not go together. */
export function checkSizes({ d_sae, l0, n_tokens, batch_size }: PipelineConfig): void {
  const [narrowest, largest] = [Math.min(...d_sae), Math.max(...l0)]
  if (largest >= narrowest)
    throw new RangeError(
      `an L0 of ${largest} was asked of ${narrowest} latents, expected fewer than there are. Ask for a smaller L0 or a larger width.`,
    )
  if (n_tokens < batch_size)
    throw new RangeError(
      `${n_tokens} tokens are less than one batch of ${batch_size}. Ask for more tokens, or for smaller batches.`,
    )
}

/** @throws RangeError if the text of a suite is no longer what it was begun with. */
export function checkTrainingText(out: string, suite: SuiteFile, whole: TokenCorpus): void {
  if (whole.hash === suite.data_hash) return
  const files = whole.files.map(({ name }) => basename(name)).join(', ')
  throw new RangeError(
    `${out}: this suite was begun with other text than ${files} holds now. Give the same text to go on, or another folder to start anew.`,
  )
}

/** What decides the trained SAEs: a resumed run must have the same. Where files lie and what is measured later may change. */
function settingsOf(config: PipelineConfig): Record<string, unknown> {
  const { hooks, d_sae, l0, n_tokens, held_out, batch_size, seed, dtype, recipe } = config
  const { weights, hook_out, stream, activation_bytes } = config
  return {
    hooks,
    d_sae,
    l0,
    n_tokens,
    held_out,
    batch_size,
    seed,
    dtype,
    ...(weights === undefined ? {} : { weights }),
    ...(recipe === undefined ? {} : { recipe }),
    ...(hook_out === undefined ? {} : { hook_out }),
    ...(stream === true ? { stream } : {}),
    ...(activation_bytes === undefined ? {} : { activation_bytes }),
  }
}

/**
 * Settings of a run that goes on: what was settled when its suite was begun holds. @param begun the suite that is there, if any.
 */
export function withBegun(config: PipelineConfig, begun: SuiteFile | undefined): PipelineConfig {
  if (begun === undefined) return config
  const { activation_bytes: _, ...asked } = config
  const { activation_bytes } = begun.config
  return typeof activation_bytes === 'number' ? { ...asked, activation_bytes } : asked
}

/** @throws RangeError if the suite that is there was begun with other settings, naming the first that differs. */
export function checkBegun(
  config: PipelineConfig,
  found: SuiteFile,
  model: { readonly hash: string },
): void {
  const asked: Record<string, unknown> = { ...settingsOf(config), model_hash: model.hash }
  const { out } = config
  const before: Record<string, unknown> = { ...found.config, model_hash: found.model.hash }
  for (const key of new Set([...Object.keys(before), ...Object.keys(asked)])) {
    const [was, is] = [JSON.stringify(before[key]), JSON.stringify(asked[key])]
    if (was !== is)
      throw new RangeError(
        `${out}: this suite was begun with ${key} ${was ?? 'unset'}, now asked for ${is ?? 'unset'}. Give the same settings to go on, or another folder to start anew.`,
      )
  }
}

/** Documents that a sample sentence is looked for in. */
const SAMPLED_DOCS = 200

/** The beginning of the document that reads best token by token: fewest tokens a word among whole first sentences. */
function sampleOf(corpus: TokenCorpus, tokenizer: Tokenizer | undefined): { sample_text?: string } {
  if (tokenizer === undefined) return {}
  const { ids, doc_start } = corpus
  let best: { text: string; tokens_per_word: number } | undefined
  for (let doc = 0; doc + 1 < doc_start.length && doc < SAMPLED_DOCS; doc++) {
    const start = tokenizer.detokenize(ids.slice(textStart(corpus, doc), doc_start[doc + 1]!))
    const text = firstSentences(start, 120)
    const n_words = text.split(' ').length
    const isWhole = /^\p{Lu}.*[.!?]["'”’)]?$/u.test(text) && n_words >= 8
    const tokens_per_word =
      (isWhole ? 0 : 100) + tokenizer.tokenize(text, { bos: false }).length / n_words
    if (text !== '' && tokens_per_word < (best?.tokens_per_word ?? Number.POSITIVE_INFINITY))
      best = { text, tokens_per_word }
  }
  return best === undefined ? {} : { sample_text: best.text }
}

/** Passes on what is told once in so many tokens. */
function throttled(tell: ((n_tokens: number) => void) | undefined): (n_tokens: number) => void {
  const step = 50_000
  let next = step
  return (n_tokens) => {
    if (n_tokens < next) return
    next = n_tokens + step
    tell?.(n_tokens)
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
