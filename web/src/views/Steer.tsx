/** Steering in full: several latents, the default text beside the steered one; the address holds the whole run. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { raisersQuery, wordLatentsQuery, workspaceQuery } from '../api/queries.ts'
import { added, freshForm, type SteerForm, SteerPanel } from '../parts/SteerPanel.tsx'
import { useAddressed } from '../state/addressed.ts'
import { recall, remember } from '../state/remembered.ts'
import {
  formatInterventions,
  longestInUrl,
  parseInterventions,
  type SteerState,
} from '../state/urlState.ts'

const formOf = (state: SteerState): SteerForm => ({
  prompt: state.prompt ?? recall('prompt') ?? freshForm.prompt,
  interventions: parseInterventions(state.with),
  seed: state.seed ?? freshForm.seed,
  temperature: state.temperature ?? freshForm.temperature,
  tokens: state.tokens ?? freshForm.tokens,
})

/** The form as it stands in the address; a prompt too long for it stays out. */
function stateOf(form: SteerForm): SteerState {
  return {
    ...(form.prompt.length <= longestInUrl ? { prompt: form.prompt } : {}),
    ...(form.interventions.length > 0 ? { with: formatInterventions(form.interventions) } : {}),
    seed: form.seed,
    temperature: form.temperature,
    tokens: form.tokens,
  }
}

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
          remember('prompt', next.prompt)
        }}
        offered={offered}
      />
    </main>
  )
}
