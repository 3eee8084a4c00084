/** A static copy's answers: from files what the server would answer, and a plain word for what only it can do. */
import type {
  Depth,
  DepthRequest,
  EffectHistogram,
  LatentChip,
  LatentList,
  LatentView,
  Microscope,
  MicroscopeRequest,
  SearchResult,
  SiteIndex,
} from '../../../src/api/index.ts'

/** A refusal, which goes to the page as a server's would. */
class Refusal extends Error {
  readonly status: number
  constructor(message: string, status: number) {
    super(message)
    this.status = status
  }
}

const needsServer = (what: string, more = '') =>
  new Refusal(
    `This is a static copy of the explorer: ${what} needs Hooke itself. With the suite on your machine, run \`hooke serve\`.${more}`,
    501,
  )

/** The answer to a request: 501 for what a copy cannot do, 404 for what is not in it, in the words of a Problem. */
export async function answerFromSite(
  indexAt: string,
  address: string,
  { method = 'GET', body }: RequestInit,
): Promise<Response> {
  try {
    const { pathname, searchParams } = new URL(address)
    const given: unknown = typeof body === 'string' ? JSON.parse(body) : undefined
    const answer = await answerTo(
      await indexOf(indexAt),
      `${method} ${pathname}`,
      searchParams,
      given,
    )
    return typeof answer === 'string' ? new Response(answer) : Response.json(answer)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return Response.json({ error: error.message }, { status: error.status })
  }
}

async function answerTo(
  site: SiteIndex,
  asked: string,
  query: URLSearchParams,
  given: unknown,
): Promise<unknown> {
  if (asked === 'POST /api/microscope') return microscope(site, given as MicroscopeRequest)
  if (asked === 'POST /api/microscope/depth') return depth(site, given as DepthRequest)
  if (asked === 'GET /api/search') return search(site, query)
  const [method = '', path = ''] = asked.split(' ')
  const stored = method === 'GET' ? site.answers[path] : undefined
  if (stored?.endsWith('.svg')) return (await file(site, stored)).text()
  if (stored !== undefined) return fetched(site, stored)
  const [, id = '', index, part] =
    /^GET \/api\/saes\/([^/]+)\/latents(?:\/(\d+)(\/effects)?)?$/.exec(asked) ?? []
  const sae = site.saes[decodeURIComponent(id)]
  if (!sae) throw needsServer(doing(path))
  if (part === '/effects')
    return { absent: needsServer('the spread over all tokens').message } satisfies EffectHistogram
  if (index === undefined) return sorted(await listOf(site, sae), query)
  return latent(site, sae, Number(index))
}

const doing = (path: string): string => {
  if (path.endsWith('/family')) return 'the graph of its family'
  if (path.includes('/steer')) return 'steering'
  if (path.includes('/compare')) return 'comparing'
  if (path.endsWith('/test')) return 'testing a text'
  if (path.endsWith('/examples')) return 'running the examples again'
  if (path.includes('/labels')) return 'labelling'
  if (path.includes('/reviews')) return 'reviewing labels'
  if (path.includes('/search')) return 'searching by a text or a direction'
  return 'what you asked for'
}

const files = new Map<string, Promise<unknown>>()

/** Something that is fetched and read once; what failed is asked for again. */
function once<T>(name: string, read: () => Promise<T>): Promise<T> {
  const known = files.get(name) as Promise<T> | undefined
  if (known) return known
  const reading = read()
  files.set(name, reading)
  reading.catch(() => files.delete(name))
  return reading
}

/** Asked for anew at every visit: what else is kept by a browser belongs to the index that it was written with. */
const indexOf = (address: string): Promise<SiteIndex> =>
  once(address, async () => (await found(address, { cache: 'no-cache' })).json())

const file = ({ made }: SiteIndex, name: string): Promise<Response> =>
  found(`${name}?made=${encodeURIComponent(made)}`)

/** @throws Refusal where the host has no such file. */
async function found(address: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(address, init).catch(() => undefined)
  if (response?.ok) return response
  const why = response ? `answered ${response.status}` : 'did not answer'
  throw new Refusal(`${address}: the host of this copy ${why}. Was all of it put there?`, 404)
}

/** A file's JSON. Some hosts say of a `.gz` that its content is encoded, and the browser has unpacked it before. */
function fetched<T>(site: SiteIndex, name: string): Promise<T> {
  return once(name, async () => {
    const bytes = new Uint8Array(await (await file(site, name)).arrayBuffer())
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b
    const packed = new Blob([bytes]).stream()
    const json = isPacked ? packed.pipeThrough(new DecompressionStream('gzip')) : packed
    return new Response(json).json() as Promise<T>
  })
}

type SiteSae = SiteIndex['saes'][string]

const listOf = (site: SiteIndex, { folder }: SiteSae) =>
  fetched<LatentList>(site, `${folder}/list.json.gz`)

/** @throws Refusal where a text is not in the copy: says which are. */
function known({ texts }: SiteIndex, asked: string): SiteIndex['texts'][number] {
  const text = texts.find(({ text }) => text === asked)
  if (text) return text
  const given = texts.map(({ text }) => `“${text}”`).join(', ')
  throw needsServer('running another text', ` It holds: ${given}.`)
}

async function microscope(site: SiteIndex, request: MicroscopeRequest): Promise<Microscope> {
  const { sparse, dense } = known(site, request.text)
  if ((request.rank ?? 'activation') !== 'activation' || request.special)
    throw needsServer('another ranking, or reading special tokens,')
  const view = await fetched<Microscope>(site, request.max_density === 1 ? dense : sparse)
  const { saes } = request
  return saes ? { ...view, rows: view.rows.filter(({ sae }) => saes.includes(sae)) } : view
}

async function depth(site: SiteIndex, { text, token }: DepthRequest): Promise<Depth> {
  const profiles = await fetched<Depth[]>(site, known(site, text).depth)
  const profile = profiles[token]
  if (!profile)
    throw new Refusal(`There are tokens 0 to ${profiles.length - 1}, not ${token}.`, 404)
  return profile
}

async function latent(site: SiteIndex, sae: SiteSae, index: number): Promise<LatentView> {
  const place = Math.floor(index / site.latents_a_file)
  if (index < sae.d_sae) {
    const latents = await fetched<LatentView[]>(site, `${sae.folder}/${place}.json.gz`)
    const latent = latents[index % site.latents_a_file]
    if (latent) return latent
  }
  throw new Refusal(`There are latents 0 to ${sae.d_sae - 1}, not ${index}.`, 404)
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
  const isAdmitted = filterOf(query)
  const hits: SearchResult['hits'] = []
  for (const [id, sae] of Object.entries(site.saes)) {
    if (asked === '' || (only && only !== id)) continue
    const { latents } = await listOf(site, sae)
    for (const { top_tokens, ...chip } of latents) {
      if (!isAdmitted(chip)) continue
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

/** Whether a latent passes the filters of a query. @throws Refusal for filters on what a copy does not list. */
function filterOf(query: URLSearchParams): (chip: LatentChip) => boolean {
  if (query.has('score_from') || query.has('author'))
    throw needsServer('filtering by score or author')
  const isWithin = (value: number | undefined, name: string) => {
    const [from, to] = [query.get(`${name}_from`), query.get(`${name}_to`)]
    if (from === null && to === null) return true
    return value !== undefined && value >= Number(from ?? 0) && value <= Number(to ?? Infinity)
  }
  const [site, method] = [query.get('site'), query.get('method')]
  return ({ hook, density, label_method }) => {
    const [, layer, own = hook] = /^blocks\.(\d+)\.(.+)$/.exec(hook) ?? []
    return (
      isWithin(layer === undefined ? undefined : Number(layer), 'layer') &&
      isWithin(density, 'density') &&
      (site === null || site === own) &&
      (method === null || method === label_method)
    )
  }
}
