/** Search by direction: a pasted vector, or what a latent writes. */
import { useQuery } from '@tanstack/react-query'
import type { VectorSearchRequest } from '../../../src/api/index.ts'
import { parseVector } from '../../../src/api/vector.ts'
import { latentQuery } from '../api/queries.ts'
import { vectorSearchQuery } from '../api/searchQueries.ts'
import { parseLatentKey } from '../format/names.ts'
import { count, fixed } from '../format/numbers.ts'
import { LatentLink } from './LatentLink.tsx'
import { Failure } from './Notice.tsx'
import { HitHead, HitRow, LeftOut } from './SearchHits.tsx'
import { Term } from './Term.tsx'

/** The results for a vector, or for a latent where `like` names one. */
export function SearchByVector(props: {
  text: string
  like: string | undefined
  filters: Partial<VectorSearchRequest>
  onForget: () => void
}) {
  const like = parseLatentKey(props.like)
  const vector = parseVector(props.text)
  const request = like
    ? { ...props.filters, like }
    : typeof vector === 'string'
      ? undefined
      : { ...props.filters, vector }
  const { data, error } = useQuery(vectorSearchQuery(request))
  return (
    <>
      {like && <Like sae={like.sae} index={like.index} onForget={props.onForget} />}
      {!request && (
        <p className="quiet empty">
          {props.text.trim() === ''
            ? 'Paste the numbers of a direction, as JSON or with spaces or commas between them: as many as a site is wide. Beside a latent, “like” searches with what it writes.'
            : `This is no vector: ${String(vector)}.`}
        </p>
      )}
      {request && error && <Failure error={error} />}
      {request && data && (
        <>
          <HitHead value={<Term of="cosine">cosine</Term>}>
            {count(data.n_total)} latents compared in {count(Math.max(1, data.took_ms))} ms
          </HitHead>
          <ol className="hits" id="hits">
            {data.hits.map((hit) => (
              <HitRow key={`${hit.sae}/${hit.index}`} hit={hit} value={fixed(hit.cosine, 3)} />
            ))}
          </ol>
          <LeftOut words={data.left_out} />
        </>
      )}
    </>
  )
}

function Like(props: { sae: string; index: number; onForget: () => void }) {
  const { data } = useQuery(latentQuery(props.sae, props.index))
  return (
    <p className="search-like">
      <span className="quiet">Like</span>{' '}
      {data ? <LatentLink chip={data} /> : `latent ${props.index}`}{' '}
      <button type="button" className="action" onClick={props.onForget}>
        paste a vector instead
      </button>
    </p>
  )
}
