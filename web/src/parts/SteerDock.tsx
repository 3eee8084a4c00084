/** Steering at the foot of any view, with the latent one came from already set. */
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { useKeys } from '../state/keys.ts'
import { recall, remember } from '../state/remembered.ts'
import { freshForm, type SteerForm, stateOf } from '../state/steerForm.ts'
import { parseInterventions } from '../state/urlState.ts'
import { SteerPanel } from './SteerPanel.tsx'

/** The dock for interventions as they stand in the URL; mount it anew where they change from outside. */
export function SteerDock(props: { interventions: string }) {
  const navigate = useNavigate()
  const [form, setForm] = useState<SteerForm>(() => ({
    ...freshForm,
    prompt: recall('prompt') ?? freshForm.prompt,
    interventions: parseInterventions(props.interventions),
  }))
  const close = () =>
    void navigate({
      to: '.',
      search: (old: object) => ({ ...old, dock: undefined }),
      replace: true,
      resetScroll: false,
    })
  useKeys({ escape: close })
  return (
    <aside className="dock" aria-label="Steering">
      <SteerPanel
        compact
        form={form}
        onForm={(next) => {
          setForm(next)
          remember('prompt', next.prompt)
          if (next.interventions.length === 0) close()
        }}
      >
        <button
          type="button"
          onClick={() =>
            void navigate({
              to: '/steer',
              search: { dock: undefined, ...stateOf(form) },
            })
          }
        >
          Full view
        </button>
        <button type="button" onClick={close}>
          Close
        </button>
      </SteerPanel>
    </aside>
  )
}
