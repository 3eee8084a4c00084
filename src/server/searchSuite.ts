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
  const direction = like
    ? decoderRow((await bench.sae(like.dir, model)).runner.sae, like.index)
    : Float32Array.from(vector ?? [])
  const found = like && {
    sae: like.id,
    hook: parseHookName(like.hook, like.dir),
    index: like.index,
  }
  return nearestLatents(sitesOf(bench, suite, model), direction, { most, signal, like: found })
}
