/** What orders of labels and of their tests share: who is asked, how many latents, the button with its price, and the run. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import type { Run, ScoringOffers } from '../../../src/api/index.ts'
import { applyEvent } from '../api/live.ts'
import { workspaceQuery } from '../api/queries.ts'
import { dollars } from '../format/numbers.ts'
import { isUnderWay } from '../state/runs.ts'
import { siteIndexAt } from '../state/site.ts'
import { Failure } from './Notice.tsx'
import { RunLine } from './RunLine.tsx'

/** Of a latent, or of the latents of a suite that come first. */
export type Scope = { suite: string; sae?: string; index?: number }

/** Latents of each dictionary that can be chosen. */
const amounts = [20, 200, 1000] as const

/** A line that opens; nothing on a static copy, which has no server to ask. */
export function Opening(props: { title: string; children: () => ReactNode }) {
  const [open, setOpen] = useState(false)
  if (siteIndexAt !== undefined) return null
  return (
    <details className="label-order" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{props.title}</summary>
      {open && props.children()}
    </details>
  )
}

/** The scope with the number of latents where it is a suite's, and the field to choose it. */
export function useAmount(scope: Scope, which: string) {
  const [n_latents, setLatents] = useState<number>(amounts[1])
  if (scope.sae !== undefined) return { asked: scope, field: null }
  const field = (
    <label className="label-order-amount">
      <select value={n_latents} onChange={(e) => setLatents(Number(e.target.value))}>
        {amounts.map((n) => (
          <option key={n}>{n}</option>
        ))}
      </select>{' '}
      latents of each dictionary: {which}
    </label>
  )
  return { asked: { ...scope, n_latents }, field }
}

/** Who is asked and what a run may cost. */
export function JudgeWords({ judge }: { judge: NonNullable<ScoringOffers['judge']> }) {
  return (
    <>
      <bdi>{judge.model}</bdi> at <bdi>{judge.where}</bdi> is asked
      {judge.max_cost === undefined
        ? '; what it costs is not known here.'
        : `, for at most ${dollars(judge.max_cost)} a run.`}
    </>
  )
}

/** The button, and the run that it began, as it goes. */
export function Order(props: {
  name: string
  /** What it costs, or what is missing; said beside the button. */
  price: string
  cost: number
  max_cost: number | undefined
  disabled: boolean
  order: () => Promise<Run>
}) {
  const client = useQueryClient()
  const order = useMutation({
    mutationFn: props.order,
    onSuccess: (run) => applyEvent(client, { type: 'run', run }),
  })
  const { data: workspace } = useQuery(workspaceQuery)
  const run = workspace?.runs.find(({ id }) => id === order.data?.id)
  const isBusy = order.isPending || (run !== undefined && isUnderWay(run))
  const isTooDear = props.max_cost !== undefined && props.cost > props.max_cost
  return (
    <>
      <p className="label-order-button">
        <button
          type="button"
          className="primary"
          disabled={props.disabled || isTooDear || isBusy}
          onClick={() => order.mutate()}
        >
          {props.name}
        </button>
        <span className="quiet" role="status">
          {props.price}
          {isTooDear && `, more than a run may spend (${dollars(props.max_cost ?? 0)})`}
        </span>
      </p>
      {order.error && <Failure error={order.error} />}
      {run && <RunLine run={run} />}
    </>
  )
}
