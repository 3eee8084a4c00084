/** Steering at the foot of any view, with the latent one came from already set. */
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useKeys } from '../state/keys.ts'
import { recall, remember } from '../state/remembered.ts'
import { freshForm, type SteerForm, stateOf } from '../state/steerForm.ts'
import { parseInterventions } from '../state/urlState.ts'
import { SteerPanel } from './SteerPanel.tsx'

/** The dock for interventions as they stand in the URL; mount it anew where they change from outside. `takesFocus` where one asked for it. */
export function SteerDock(props: { interventions: string; takesFocus: boolean }) {
  const navigate = useNavigate()
  const [form, setForm] = useState<SteerForm>(() => ({
    ...freshForm,
    prompt: recall('prompt') ?? freshForm.prompt,
    interventions: parseInterventions(props.interventions),
  }))
  const close = () => {
    // What has the focus goes with the dock.
    document.getElementById('view')?.focus({ preventScroll: true })
    void navigate({
      to: '.',
      search: (old: object) => ({ ...old, dock: undefined }),
      replace: true,
      resetScroll: false,
    })
  }
  useKeys({ escape: close })
  const dock = useRef<HTMLElement>(null)
  const takesFocus = useRef(props.takesFocus)
  useEffect(() => {
    if (takesFocus.current)
      dock.current?.querySelector<HTMLButtonElement>('[type="submit"]')?.focus()
  }, [])
  return (
    <aside ref={dock} className="dock" aria-label="Steering">
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
