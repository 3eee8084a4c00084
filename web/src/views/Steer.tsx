/** Steering in full: several latents, the default text beside the steered one; the address holds the whole run. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { raisersQuery, wordLatentsQuery, workspaceQuery } from '../api/queries.ts'
import { added, SteerPanel } from '../parts/SteerPanel.tsx'
import { useAddressed } from '../state/addressed.ts'
import { remember } from '../state/remembered.ts'
import { formOf, stateOf } from '../state/steerForm.ts'

/** The steering view. */
export function Steer() {
  const search = useSearch({ from: '/steer' })
  const navigate = useNavigate({ from: '/steer' })
  const [form, setForm] = useAddressed(
    formOf(search),
    (next) =>
      void navigate({
        search: ({ dock }) => ({ ...(dock === undefined ? {} : { dock }), ...stateOf(next) }),
        replace: true,
        resetScroll: false,
      }),
  )

  // An empty form is no beginning: it starts with a latent of the workspace, once, and only if none was chosen.
  const { data: workspace } = useQuery(workspaceQuery)
  const words = useQuery(wordLatentsQuery(workspace?.suites ?? []))
  const [fresh, setFresh] = useState(form.interventions.length === 0)
  const { data: offered = [] } = useQuery(raisersQuery(words.data ?? []))
  const first = offered[0]
  useEffect(() => {
    if (!fresh || !first) return
    setFresh(false)
    setForm((old) =>
      old.interventions.length > 0 ? old : { ...old, interventions: [added(first)] },
    )
  }, [fresh, first, setForm])

  return (
    <main className="page">
      <h1>Steer</h1>
      <p className="lead">
        Change a latent while the model writes, and compare with what it writes by itself, from the
        same seed. Strength is in units of the latent’s own maximum.
      </p>
      <SteerPanel
        form={form}
        onForm={(next) => {
          setForm(next)
          if (!next.chat) remember('prompt', next.prompt)
        }}
        offered={offered}
      />
    </main>
  )
}
