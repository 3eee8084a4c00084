/** The bar above every view: where one is, what is running, and whether the server answers. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Run } from '../../../src/api/index.ts'
import { workspaceQuery } from '../api/queries.ts'
import { remaining } from '../format/numbers.ts'
import { modifier } from '../state/keyList.ts'
import { useLinkState } from '../state/link.ts'
import { isUnderWay, runMessage } from '../state/runs.ts'
import { views } from '../state/views.ts'
import { ShareButton } from './ShareButton.tsx'

/** Navigation, model name, live run, palette, theme, help; and the line that says the server is away. */
export function TopBar(props: { onPalette: () => void; onTheme: () => void; onHelp: () => void }) {
  const { data: workspace } = useQuery(workspaceQuery)
  const link = useLinkState()
  const run = workspace?.runs.find(isUnderWay)
  return (
    <header className="top" data-not-shared="">
      <div className="bar">
        <Link to="/" className="mark" aria-label="Hooke, to the microscope">
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <circle cx="10" cy="10" r="8.25" />
            <circle className="mark-dot" cx="10" cy="10" r="2.75" />
          </svg>
          Hooke
        </Link>
        <nav aria-label="Views">
          {views.map((view) => (
            <Link
              key={view.to}
              to={view.to}
              activeOptions={{ exact: true, includeSearch: false }}
              activeProps={{ 'aria-current': 'page' }}
            >
              {view.name}
            </Link>
          ))}
        </nav>
        <span className="bar-space" />
        {run && <RunIndicator run={run} />}
        {workspace?.model && <span className="bar-model">{workspace.model.name}</span>}
        <ShareButton />
        <button type="button" className="bar-palette" onClick={props.onPalette}>
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <circle cx="8.75" cy="8.75" r="5.25" />
            <path d="m12.75 12.75 4 4" />
          </svg>
          <span>Go to</span>
          <kbd>{modifier()} K</kbd>
        </button>
        <button
          type="button"
          className="bar-button"
          aria-label="Switch between light and dark"
          onClick={props.onTheme}
        >
          <svg viewBox="0 0 20 20" aria-hidden="true">
            <circle cx="10" cy="10" r="6.5" fill="none" />
            <path d="M10 3.5a6.5 6.5 0 0 1 0 13z" />
          </svg>
        </button>
        <button
          type="button"
          className="bar-button"
          aria-label="Keys and help"
          onClick={props.onHelp}
        >
          ?
        </button>
      </div>
      {link === 'away' && (
        <p className="away" role="status">
          Hooke does not answer. Trying again; what you see is from before. If it stopped, start it
          with <code>hooke serve</code>.
        </p>
      )}
    </header>
  )
}

/** One line for the run: what it does, how far it is, and a way to the suite. */
function RunIndicator(props: { run: Run }) {
  const { run } = props
  const percent = Math.round(run.progress * 100)
  return (
    <Link to="/suite" className="bar-run" title={run.message}>
      <span className="bar-run-text">
        {runMessage(run)}
        <span className="quiet"> {run.state !== 'paused' && remaining(run.remaining_ms)}</span>
      </span>
      <progress max={100} value={percent} aria-label={`${run.message}, ${percent} per cent`} />
    </Link>
  )
}
