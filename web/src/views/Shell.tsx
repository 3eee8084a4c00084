/** What stands around every view: the bar above, the steering dock below, help. */
import { Outlet, useNavigate, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { Help } from '../parts/Help.tsx'
import { SiteNotice } from '../parts/SiteNotice.tsx'
import { SteerDock } from '../parts/SteerDock.tsx'
import { TopBar } from '../parts/TopBar.tsx'
import { useKeys } from '../state/keys.ts'

/** The frame of the page. */
export function Shell() {
  const [helpOpen, setHelpOpen] = useState(false)
  const { dock } = useSearch({ from: '__root__' })
  const navigate = useNavigate()

  useKeys({
    '?': () => setHelpOpen(true),
    '/': () => {
      const field = document.querySelector<HTMLInputElement>('[data-search-field]')
      if (field) field.focus()
      else void navigate({ to: '/search' })
    },
    'g m': () => void navigate({ to: '/' }),
    'g s': () => void navigate({ to: '/search' }),
    'g t': () => void navigate({ to: '/steer' }),
    'g u': () => void navigate({ to: '/suite' }),
    'g c': () => void navigate({ to: '/compare' }),
    'g r': () => void navigate({ to: '/review' }),
  })

  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to a place of this page; a static copy keeps its views behind the # */}
      <a
        className="skip"
        href="#view"
        onClick={(event) => {
          event.preventDefault()
          document.getElementById('view')?.focus()
        }}
      >
        Skip to the view
      </a>
      <TopBar onHelp={() => setHelpOpen(true)} />
      <SiteNotice />
      <div id="view" className={dock === undefined ? 'view' : 'view above-dock'} tabIndex={-1}>
        <Outlet />
      </div>
      {dock !== undefined && <SteerDock key={dock} interventions={dock} />}
      <Help open={helpOpen} onClose={() => setHelpOpen(false)} />
    </>
  )
}
