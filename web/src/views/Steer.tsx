/** Steering in full: several latents, the default text beside the steered one; the address holds the whole run. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { freshForm, type SteerForm, SteerPanel } from '../parts/SteerPanel.tsx'
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
      />
    </main>
  )
}
