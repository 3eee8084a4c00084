/** A latent's family as a small graph: sites from left to right, near decoder directions joined. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import type { LatentFamily } from '../../../src/api/index.ts'
import { familyQuery } from '../api/queries.ts'
import { latentName, siteKind, siteName } from '../format/names.ts'
import { fixed } from '../format/numbers.ts'
import { LabelText } from './LatentLink.tsx'
import { Failure } from './Notice.tsx'

type Member = LatentFamily['members'][number]
type Placed = { readonly member: Member; readonly x: number; readonly y: number }

const [step_x, step_y, margin, top] = [64, 30, 20, 44]

/** Members in columns by site, in the order of the pass; the one asked for is on top of its column. */
function placed(members: readonly Member[]): { nodes: Placed[]; sites: string[]; rows: number } {
  const order = (hook: string) => members.find((m) => m.hook === hook)?.layer ?? -1
  const bySite = Map.groupBy(members, ({ hook }) => hook)
  const sites = [...bySite.keys()].sort((a, b) => order(a) - order(b) || a.localeCompare(b))
  const nodes = members.map((member) => ({
    member,
    x: margin + sites.indexOf(member.hook) * step_x,
    y: top + (bySite.get(member.hook) ?? []).indexOf(member) * step_y,
  }))
  return { nodes, sites, rows: Math.max(...[...bySite.values()].map((list) => list.length)) }
}

/** The graph; every node is a link, and what it is called stands below while it has the pointer or the focus. */
export function Family(props: { sae: string; index: number }) {
  const family = useQuery(familyQuery(props.sae, props.index))
  const [shown, setShown] = useState<number>()
  if (family.error) return <Failure error={family.error} onRetry={() => void family.refetch()} />
  if (!family.data) return <div className="family-waiting" />
  const { members, edges, min_cosine } = family.data
  if (members.length < 2)
    return (
      <p className="quiet">No direction of this suite lies nearer than {min_cosine} to its own.</p>
    )
  const { nodes, sites, rows } = placed(members)
  const kinds = new Set(sites.map(siteKind))
  const [width, height] = [2 * margin + (sites.length - 1) * step_x, top + rows * step_y + 4]
  const named = shown === undefined ? undefined : members[shown]
  const noteOf = (i: number | undefined): string => {
    if (i === undefined) return `filled: this latent; joined: a cosine of ${min_cosine} or more`
    if (i === 0) return 'this one'
    const edge = edges.find(({ from, to }) => from === 0 && to === i)
    return edge ? `cosine ${fixed(edge.cosine, 2)}` : 'through another'
  }
  return (
    <figure className="family">
      <svg viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-label="Family">
        {edges.map(({ from, to, cosine }) => {
          const [a, b] = [nodes[from], nodes[to]]
          return (
            a &&
            b && (
              <path
                key={`${from}.${to}`}
                className={from === shown || to === shown ? 'edge lit' : 'edge'}
                d={curve(a, b)}
                strokeWidth={0.75 + (3 * (cosine - min_cosine)) / (1 - min_cosine)}
              />
            )
          )
        })}
        {nodes.map(({ member, x, y }, i) => (
          <Link
            key={`${member.sae}/${member.index}`}
            to="/latent/$sae/$index"
            params={{ sae: member.sae, index: String(member.index) }}
            className={i === 0 ? 'node self' : 'node'}
            aria-label={`${latentName(member.hook, member.index)}: ${member.label ?? 'no label yet'}`}
            aria-current={i === 0 ? 'page' : undefined}
            onPointerEnter={() => setShown(i)}
            onPointerLeave={() => setShown(undefined)}
            onFocus={() => setShown(i)}
            onBlur={() => setShown(undefined)}
          >
            <circle className="reach" cx={x} cy={y} r={12} />
            <circle className="dot" cx={x} cy={y} r={i === 0 ? 6 : 4.5} />
          </Link>
        ))}
        {sites.map((hook, i) => (
          <text key={hook} x={margin + i * step_x} y={height - 4} textAnchor="middle">
            {kinds.size === 1 ? siteName(hook).replace('layer ', '') : siteName(hook)}
          </text>
        ))}
      </svg>
      <figcaption>
        {named && (
          <>
            <span className="place">{latentName(named.hook, named.index)}</span>
            <LabelText chip={named} />
          </>
        )}
        <span className="quiet">{noteOf(shown)}</span>
      </figcaption>
    </figure>
  )
}

/** Straight between sites that follow each other; a bow within one, and over those that lie between. */
function curve(a: Placed, b: Placed): string {
  const span = Math.abs(a.x - b.x) / step_x
  const [aside, up] = [span === 0 ? 18 : 0, 14 * Math.max(0, span - 1)]
  const middle = `${(a.x + b.x) / 2 + aside} ${(a.y + b.y) / 2 - up}`
  return `M${a.x} ${a.y}Q${middle} ${b.x} ${b.y}`
}
