/** A static copy's answers: from files what the server would answer, and a plain word for what only it can do. */
import type {
  LatentChip,
  LatentList,
  LatentView,
  Microscope,
  MicroscopeRequest,
  SearchResult,
  SiteIndex,
} from '../../../src/api/index.ts'
import { ApiError } from '../../../src/api/request.ts'

const needsServer = (what: string) =>
  new ApiError(
    `This is a static copy of the explorer: ${what} needs Hooke itself. With the suite on your machine, run \`hooke serve\`.`,
    501,
  )

const files = new Map<string, Promise<unknown>>()

/** A file's JSON, fetched once. */
function fetched<T>(address: string): Promise<T> {
  let file = files.get(address)
  if (!file) {
    file = fetch(address).then((response) => {
      if (!response.ok)
        throw new ApiError(`${address} is not on this host (${response.status}).`, response.status)
      return response.json()
    })
    file.catch(() => files.delete(address))
    files.set(address, file)
  }
  return file as Promise<T>
}

/** The answer to a request. @throws ApiError 501 for what a copy cannot do, 404 for what is not in it. */
export async function answerFromSite(
  indexAt: string,
  method: string,
  address: string,
  body: unknown,
): Promise<Response> {
  const site = await fetched<SiteIndex>(indexAt)
  const { pathname, searchParams } = new URL(address, location.origin)
  if (method === 'POST' && pathname === '/api/microscope')
    return Response.json(await microscope(site, body as MicroscopeRequest))
  if (method !== 'GET') throw needsServer(doing(pathname))
  const stored = site.answers[pathname]
  if (stored !== undefined) return fetch(stored)
  if (pathname === '/api/search') return Response.json(await search(site, searchParams))
  const [, id, index] = /^\/api\/saes\/([^/]+)\/latents(?:\/(\d+))?$/.exec(pathname) ?? []
  const sae = id === undefined ? undefined : site.saes[decodeURIComponent(id)]
  if (!sae) throw needsServer(doing(pathname))
  if (index !== undefined) return Response.json(await latent(site, sae, Number(index)))
  return Response.json(sorted(await fetched<LatentList>(`${sae.folder}/list.json`), searchParams))
}

const doing = (path: string): string => {
  if (path.includes('/steer')) return 'steering'
  if (path.endsWith('/test')) return 'testing a text'
  if (path.includes('/labels') || path.includes('/reviews')) return 'labelling'
  return 'this'
}

async function microscope(site: SiteIndex, request: MicroscopeRequest): Promise<Microscope> {
  const known = site.texts.find(({ text }) => text === request.text)
  if (!known) {
    const given = site.texts.map(({ text }) => `“${text}”`).join(', ')
    throw new ApiError(`${needsServer('running another text').message} It holds: ${given}.`, 501)
  }
  if ((request.rank ?? 'activation') !== 'activation' || request.special)
    throw needsServer('another ranking, or reading special tokens,')
  const view = await fetched<Microscope>(request.max_density === 1 ? known.dense : known.sparse)
  const { saes } = request
  return saes ? { ...view, rows: view.rows.filter(({ sae }) => saes.includes(sae)) } : view
}

async function latent(
  site: SiteIndex,
  sae: SiteIndex['saes'][string],
  index: number,
): Promise<LatentView> {
  if (index >= sae.d_sae)
    throw new ApiError(`There are latents 0 to ${sae.d_sae - 1}, not ${index}.`, 404)
  const file = Math.floor(index / site.latents_a_file)
  const views = await fetched<LatentView[]>(`${sae.folder}/${file}.json`)
  return views[index % site.latents_a_file]!
}

/** A page of a list in the order asked for. */
function sorted({ n_total, latents }: LatentList, query: URLSearchParams): LatentList {
  const sort = query.get('sort') ?? 'index'
  const sign = query.get('order') === 'desc' ? -1 : 1
  const by = ({ index, density = 0, max_act = 0 }: LatentChip) =>
    sort === 'density' ? density : sort === 'max_act' ? max_act : index
  const offset = Number(query.get('offset') ?? 0)
  const inOrder = latents.toSorted((a, b) => sign * (by(a) - by(b)) || a.index - b.index)
  return { n_total, latents: inOrder.slice(offset, offset + Number(query.get('limit') ?? 50)) }
}

/** By letters: every word in the label, or the whole query among the tokens; labels that begin with it first. */
async function search(site: SiteIndex, query: URLSearchParams): Promise<SearchResult> {
  const started = performance.now()
  const asked = (query.get('q') ?? '').trim().toLowerCase()
  const words = asked.split(/\s+/)
  const kind = query.get('kind') ?? 'all'
  const only = query.get('sae')
  if (kind === 'logit' || kind === 'meaning')
    throw needsServer('searching what latents raise, or by meaning,')
  const hits: SearchResult['hits'] = []
  for (const [id, { folder }] of Object.entries(site.saes)) {
    if (asked === '' || (only && only !== id)) continue
    const { latents } = await fetched<LatentList>(`${folder}/list.json`)
    for (const { top_tokens, ...chip } of latents) {
      const label = chip.label?.toLowerCase() ?? ''
      if ((kind === 'all' || kind === 'label') && words.every((word) => label.includes(word)))
        hits.push({
          ...chip,
          matched: 'label',
          snippet: chip.label ?? '',
          rank: label.startsWith(asked) ? 2 : 1,
        })
      else if (
        (kind === 'all' || kind === 'token') &&
        top_tokens.some((token) => token.trim().toLowerCase() === asked)
      )
        hits.push({ ...chip, matched: 'token', snippet: top_tokens.join(' '), rank: 0.5 })
    }
  }
  hits.sort((a, b) => b.rank - a.rank || (b.max_act ?? 0) - (a.max_act ?? 0))
  const offset = Number(query.get('offset') ?? 0)
  return {
    n_total: hits.length,
    more: false,
    took_ms: performance.now() - started,
    hits: hits.slice(offset, offset + Number(query.get('limit') ?? 30)),
  }
}
