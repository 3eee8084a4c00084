/** The SAEs that texts and directions are searched in: opened one at a time, and what was left out said in words. */
import { FileError } from '../files/index.ts'
import { FormatError } from '../formats/index.ts'
import { type HookName, type Model, padBatch, type Tokenizer } from '../model/index.ts'
import type { SaeRunner, SparseActs } from '../sae/index.ts'
import type { SaeId } from '../store/index.ts'

/** One SAE, opened when its turn comes; that may close what was opened before. */
export type SearchSite = {
  readonly id: SaeId
  readonly hook: HookName
  readonly open: () => Promise<OpenSite>
}

export type OpenSite = {
  readonly runner: SaeRunner
  /** Per latent [d_sae]; absent until the SAE is indexed. */
  readonly measured?: { readonly density: Float32Array; readonly max_act: Float32Array }
}

/** How activations of different sites are compared: as a share of each latent's own maximum, or as they are. */
export type ActScale = 'share' | 'act'

/** A latent of a site by its place in the suite. */
export type Found = { readonly sae: SaeId; readonly hook: HookName; readonly index: number }

/** Opens a site; one whose files are damaged or do not fit the model is left out, and costs no other. */
export async function openSite(
  site: SearchSite,
  left_out: string[],
): Promise<OpenSite | undefined> {
  try {
    return await site.open()
  } catch (error) {
    const about_files = [FormatError, FileError, RangeError, TypeError].some(
      (kind) => error instanceof kind,
    )
    if (!about_files || !(error instanceof Error)) throw error
    left_out.push(`${site.hook}: ${error.message}`)
    return undefined
  }
}

/** What activations of a site are divided by, per latent; nothing where that is not known, which is said. */
export function unitsOf(
  site: SearchSite,
  { measured }: OpenSite,
  scale: ActScale,
  left_out: string[],
): ((latent: number) => number) | undefined {
  if (scale === 'act') return () => 1
  if (measured) return (latent) => measured.max_act[latent]! || Number.POSITIVE_INFINITY
  left_out.push(`${site.hook}: not indexed yet, so no latent's own maximum is known`)
  return undefined
}

/** Leaves out latents that fire on a larger share of tokens, and counts them. */
export function densityFilter(
  { measured }: OpenSite,
  max_density: number,
  dense: { n: number },
): (latent: number) => boolean {
  const seen = new Set<number>()
  return (latent) => {
    if (!measured || measured.density[latent]! <= max_density) return true
    if (!seen.has(latent)) dense.n++
    seen.add(latent)
    return false
  }
}

/** A text as tokens, BOS in front where the model has one, cut to what it reads; the activations of each site. */
export type ReadText = {
  readonly ids: Int32Array
  readonly special: readonly boolean[]
  readonly left_out: readonly string[]
  encode(site: SearchSite, open: OpenSite): Promise<SparseActs>
}

/**
 * One pass of a text through the model.
 * @throws TypeError if the model has no tokenizer.
 */
export async function readText(
  model: Model,
  sites: readonly SearchSite[],
  text: string,
  signal?: AbortSignal,
): Promise<ReadText> {
  const tokenizer = tokenizerOf(model)
  const all = tokenizer.tokenize(text)
  const { n_ctx } = model.config
  const ids = all.slice(0, n_ctx)
  const asked = new Set(sites.map(({ hook }) => hook))
  const pass = await model.forward(padBatch([ids]), {
    hooks: model.hooks.filter((hook) => asked.has(hook)),
    ...(signal ? { signal } : {}),
  })
  return {
    ids,
    special: Array.from(ids, (id) => tokenizer.special_ids.has(id)),
    left_out:
      all.length > n_ctx
        ? [
            `${all.length - n_ctx} tokens past the first ${n_ctx}, which is what ${model.name} reads`,
          ]
        : [],
    encode: ({ hook }, { runner }) => runner.encode(pass.acts.get(hook)!.data),
  }
}

function tokenizerOf(model: Model): Tokenizer {
  if (!model.tokenizer)
    throw new TypeError(
      `${model.name} has no tokenizer.json, so text cannot be read; put one beside its config.json`,
    )
  return model.tokenizer
}

/** "3 latents" */
export const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`

/** What the density filter left out, in words; none where it left out none. */
export const denseWords = (n: number, max_density: number): string[] =>
  n === 0
    ? []
    : [`${counted(n, 'latent')} denser than ${Number((max_density * 100).toPrecision(3))} %`]
