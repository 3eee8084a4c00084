/** The suite's plots after training: SVG that the server drew, in the page's own colours, each with a link to keep it. */
import { useQuery } from '@tanstack/react-query'
import { useLayoutEffect, useRef } from 'react'
import { plotAt } from '../api/client.ts'
import { plotQuery, plotsQuery } from '../api/queries.ts'
import { safeSvg } from '../format/safeSvg.ts'

/** All plots of a suite; nothing where the server has none for it. */
export function Plots(props: { suite: string }) {
  const { data: plots } = useQuery(plotsQuery(props.suite))
  if (!plots || plots.length === 0) return null
  return (
    <section className="plots" aria-label="Plots">
      <h2>After training</h2>
      <div className="plot-list">
        {plots.map((plot) => (
          <Plot key={plot.name} suite={props.suite} {...plot} />
        ))}
      </div>
    </section>
  )
}

function Plot(props: { suite: string; name: string; title: string }) {
  const { suite, name, title } = props
  const { data: text, error } = useQuery(plotQuery(suite, name))
  const place = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const svg = text === undefined ? undefined : safeSvg(text)
    if (!svg) return
    svg.setAttribute('role', 'img')
    svg.setAttribute('aria-label', title)
    // Named above; as an element it would follow the pointer as a tooltip.
    svg.querySelector(':scope > title')?.remove()
    place.current?.replaceChildren(svg)
  }, [text, title])
  return (
    <figure className="plot">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls on a narrow screen must be reachable by keyboard */}
      <div ref={place} className="plot-place" tabIndex={0} />
      {error && <p className="quiet">{error.message}</p>}
      <figcaption>
        <a href={plotAt(suite, name)} download={`${suite}-${name}.svg`}>
          Save as SVG<span className="hidden">: {title}</span>
        </a>
      </figcaption>
    </figure>
  )
}
