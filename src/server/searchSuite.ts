/** Searches that need a suite's weights, as the inference thread does them: by a text, by a direction, by contrast. */
import type { Model } from '../model/index.ts'
import { parseHookName } from '../sae/index.ts'
import {
  contrastTexts,
  decoderRow,
  nearestLatents,
  rankByText,
  type SearchSite,
} from '../search/index.ts'
import type { InferenceCalls, SuiteFolder } from './inferenceProtocol.ts'
import { requireTokenizer, viewTokens } from './readText.ts'
import type { Workbench } from './workbench.ts'

type Request<K extends keyof InferenceCalls> = InferenceCalls[K]['request']
type Answer<K extends keyof InferenceCalls> = Promise<InferenceCalls[K]['answer']>

const sitesOf = (bench: Workbench, { saes }: SuiteFolder, model: Model): SearchSite[] =>
  saes.map(({ id, hook, dir }) => ({
    id,
    hook: parseHookName(hook, dir),
    open: () => bench.sae(dir, model),
  }))

export async function textSearch(
  bench: Workbench,
  { suite, ...options }: Request<'textSearch'>,
  signal: AbortSignal,
): Answer<'textSearch'> {
  const model = await bench.model(suite.model)
  const sites = sitesOf(bench, suite, model)
  const { ids, ...ranking } = await rankByText(model, sites, { ...options, signal })
  return { tokens: viewTokens(requireTokenizer(model), ids), ...ranking }
}

export async function contrastSearch(
  bench: Workbench,
  { suite, ...options }: Request<'contrastSearch'>,
  signal: AbortSignal,
): Answer<'contrastSearch'> {
  const model = await bench.model(suite.model)
  return contrastTexts(model, sitesOf(bench, suite, model), { ...options, signal })
}

export async function vectorSearch(
  bench: Workbench,
  { suite, vector, like, most }: Request<'vectorSearch'>,
  signal: AbortSignal,
): Answer<'vectorSearch'> {
  const model = await bench.model(suite.model)
  // Every layer's z is a space of its own: only a latent of that very site, or who asks for one site, is compared with it.
  const isOwnSpace = (hook: string) => hook.endsWith('attn.hook_z')
  const n_hooks = new Set(suite.saes.map(({ hook }) => hook)).size
  const saes = suite.saes.filter(({ hook }) =>
    like && (isOwnSpace(like.hook) || isOwnSpace(hook))
      ? hook === like.hook
      : n_hooks === 1 || !isOwnSpace(hook),
  )
  const direction = like
    ? decoderRow((await bench.sae(like.dir, model)).runner.sae, like.index)
    : Float32Array.from(vector ?? [])
  const { left_out, ...found } = await nearestLatents(
    sitesOf(bench, { ...suite, saes }, model),
    direction,
    { most, signal, ...(like ? { except: { sae: like.id, index: like.index } } : {}) },
  )
  const n_left = n_hooks - new Set(saes.map(({ hook }) => hook)).size
  if (n_left > 0) left_out.push(`${n_left} of the sites, whose space is another`)
  return { ...found, left_out }
}
