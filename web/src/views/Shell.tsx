/** What stands around every view: the bar above, the steering dock below, help, the palette; and what moves the focus. */
import { Outlet, useLocation, useNavigate, useRouter, useSearch } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { Help } from '../parts/Help.tsx'
import { Palette } from '../parts/Palette.tsx'
import { SiteNotice } from '../parts/SiteNotice.tsx'
import { SteerDock } from '../parts/SteerDock.tsx'
import { TopBar } from '../parts/TopBar.tsx'
import { useKeys } from '../state/keys.ts'
import { toggleTheme } from '../state/theme.ts'
import { titleAt, views } from '../state/views.ts'

/** The frame of the page. */
export function Shell() {
  const [helpOpen, setHelpOpen] = useState(false)
  const [paletteOpen, setPaletteOpen] = useState(false)
  const { dock } = useSearch({ from: '__root__' })
  const [dockAtStart] = useState(dock)
  const navigate = useNavigate()
  useArrival()

  useKeys({
    '?': () => setHelpOpen(true),
    '/': () => {
      const field = document.querySelector<HTMLInputElement>('[data-search-field]')
      if (field) field.focus()
      else void navigate({ to: '/search' })
    },
    ...Object.fromEntries(views.map(({ key, to }) => [`g ${key}`, () => void navigate({ to })])),
  })
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      const asked = event.key.toLowerCase() === 'k' && (event.metaKey || event.ctrlKey)
      if (!asked || event.altKey || event.shiftKey) return
      event.preventDefault()
      setPaletteOpen((open) => !open)
    }
    window.addEventListener('keydown', listen)
    return () => window.removeEventListener('keydown', listen)
  }, [])

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
      <TopBar
        onPalette={() => setPaletteOpen(true)}
        onTheme={toggleTheme}
        onHelp={() => setHelpOpen(true)}
      />
      <SiteNotice />
      <div id="view" className={dock === undefined ? 'view' : 'view above-dock'} tabIndex={-1}>
        <Outlet />
      </div>
      {dock !== undefined && (
        <SteerDock key={dock} interventions={dock} takesFocus={dock !== dockAtStart} />
      )}
      <Help open={helpOpen} onClose={() => setHelpOpen(false)} />
      {paletteOpen && <Palette onClose={() => setPaletteOpen(false)} onTheme={toggleTheme} />}
    </>
  )
}

/** The window's title, and where the focus is after a way to another view: at its heading, unless the view chose a place. */
function useArrival() {
  const router = useRouter()
  const { pathname } = useLocation()
  useEffect(() => {
    document.title = titleAt(pathname)
  }, [pathname])
  useEffect(
    () =>
      router.subscribe('onRendered', ({ pathChanged, fromLocation }) => {
        const view = document.getElementById('view')
        if (!pathChanged || !fromLocation || !view) return
        if (view !== document.activeElement && view.contains(document.activeElement)) return
        const heading = view.querySelector<HTMLElement>('h1')
        if (heading) heading.tabIndex = -1
        ;(heading ?? view).focus({ preventScroll: true })
      }),
    [router],
  )
}
