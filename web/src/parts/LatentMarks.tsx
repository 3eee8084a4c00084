/** How far a latent's numbers can be relied on: its dictionary's badge and fidelity, and what is unusual about it. */
import { useQuery } from '@tanstack/react-query'
import type { LatentView } from '../../../src/api/index.ts'
import { selfTestsQuery, workspaceQuery } from '../api/queries.ts'
import { saeName } from '../format/names.ts'
import { count, percent, short } from '../format/numbers.ts'
import { SelfTestBadge } from './SelfTestBadge.tsx'
import { Term } from './Term.tsx'

/** Above it a latent is called dense, as in the microscope. */
const dense = 0.1
/** With fewer activations a mean or an interval says little. */
const few = 50
/** From here on two directions do the same. */
const twin = 0.95

/** What to mind about a latent, in short sentences. */
export function warningsOf({ density = 0, n_active, neighbours }: LatentView): string[] {
  const nearest = Math.max(0, ...neighbours.map(({ cosine }) => cosine))
  return [
    ...(n_active === 0 ? ['never fired in the corpus that was counted'] : []),
    ...(n_active > 0 && n_active < few ? [`rare: ${count(n_active)} activations in all`] : []),
    ...(density > dense ? [`dense: on at ${percent(density)} of tokens`] : []),
    ...(nearest >= twin ? [`has a near twin, cosine ${nearest.toFixed(2)}`] : []),
  ]
}

/** One line. */
export function LatentMarks({ latent }: { latent: LatentView }) {
  const { suite } = saeName(latent.sae)
  const selfTests = useQuery(selfTestsQuery(suite))
  const { data: workspace } = useQuery(workspaceQuery)
  const metrics = workspace?.suites
    .find(({ name }) => name === suite)
    ?.saes.find(({ id }) => id === latent.sae)?.metrics
  const test = selfTests.data?.find(({ sae }) => sae === latent.sae)
  return (
    <p className="latent-marks">
      {test && <SelfTestBadge test={test} />}
      {metrics && (
        <span className="quiet">
          its dictionary: <Term of="fvu">FVU</Term> {short(metrics.fvu)},{' '}
          <Term of="delta_ce_loss">delta loss</Term> {short(metrics.delta_ce_loss)}
        </span>
      )}
      {warningsOf(latent).map((words) => (
        <span key={words} className="mark-warning">
          {words}
        </span>
      ))}
    </p>
  )
}
