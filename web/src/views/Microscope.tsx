/** The entry view: what each layer makes of each token of one's own sentence. */
import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useCallback, useDeferredValue, useMemo, useState } from 'react'
import type { MicroscopeRequest, Run, SaeSummary } from '../../../src/api/index.ts'
import { microscopeQuery, workspaceQuery } from '../api/queries.ts'
import { parseLatentKey } from '../format/names.ts'
import { remaining } from '../format/numbers.ts'
import { CellPanel } from '../parts/CellPanel.tsx'
import { Grid } from '../parts/Grid.tsx'
import type { Cell } from '../parts/gridWindow.ts'
import { Legend } from '../parts/Legend.tsx'
import { MicroscopeBar } from '../parts/MicroscopeBar.tsx'
import { Failure, Notice } from '../parts/Notice.tsx'
import { useAddressed } from '../state/addressed.ts'
import { useKeys } from '../state/keys.ts'
import { runMessage } from '../state/runs.ts'
import { readSheet, type SheetRow, startCell } from '../state/sheet.ts'
import { chooseSites } from '../state/sites.ts'
import { formatInterventions, longestInUrl, type MicroscopeState } from '../state/urlState.ts'

/** The microscope. */
export function Microscope() {
  const search = useSearch({ from: '/' })
  const navigate = useNavigate()
  const workspace = useQuery(workspaceQuery)
  const [longText, setLongText] = useState<string>()
  const [hover, setHover] = useState<Cell>()
  const [hoverLatent, setHoverLatent] = useState<string>()

  const text = search.text ?? longText ?? workspace.data?.sample_text ?? ''
  const suite = search.suite ?? workspace.data?.suites[0]?.name
  const saes = workspace.data?.suites.find((s) => s.name === suite)?.saes ?? noSaes
  const { site, dictionary, rank = 'activation' } = search
  const choice = useMemo(() => chooseSites(saes, { site, dictionary }), [saes, site, dictionary])
  const result = useQuery(microscopeQuery(requestOf(text, suite, choice.ids, search)))
  const sheet = useMemo(
    () => (result.data ? readSheet(result.data, choice.shown) : undefined),
    [result.data, choice],
  )

  const update = useCallback(
    (change: (old: MicroscopeState) => MicroscopeState) =>
      void navigate({ to: '/', search: (old) => change(old), replace: true, resetScroll: false }),
    [navigate],
  )
  // Arrow keys repeat faster than an address may change.
  const [place, setPlace] = useAddressed<Place>(placeOf(search), (next) =>
    update(({ at, latent, ...old }) => ({ ...old, ...next })),
  )
  const focus = useMemo(
    () => sheet && (readCell(place.at, sheet.rows.length, sheet.columns) ?? startCell(sheet)),
    [sheet, place.at],
  )
  const locked = parseLatentKey(place.latent) ? place.latent : undefined
  // The panel is long where there are many sites: it follows when there is time. A depth profile runs the model, so that
  // follows the focus, not the pointer.
  const target = useDeferredValue(search.panel === 'depth' ? focus : (hover ?? focus))
  const lit = useDeferredValue(
    hoverLatent ?? (hover && sheet && !locked ? sheet.strongest(hover) : undefined) ?? locked,
  )

  const lock = useCallback(
    (key: string | undefined) =>
      setPlace(({ latent, ...old }) => (key && key !== latent ? { ...old, latent: key } : old)),
    [setPlace],
  )
  const showDepth = useCallback(
    (depth: boolean) => update(({ panel, ...old }) => (depth ? { ...old, panel: 'depth' } : old)),
    [update],
  )
  const select = useCallback(
    (cell: Cell, alsoLock: boolean) => {
      const key = alsoLock ? sheet?.strongest(cell) : undefined
      setHover(undefined)
      setPlace((old) => ({ ...old, at: `${cell.row}.${cell.column}` }))
      if (key) lock(key)
    },
    [sheet, setPlace, lock],
  )

  const move = (rows: number, columns: number) => {
    if (!sheet || !focus) return
    const clamp = (x: number, end: number) => Math.max(0, Math.min(end - 1, x))
    const row = clamp(focus.row + rows, sheet.rows.length)
    const column = clamp(focus.column + columns, sheet.columns)
    select({ row, column }, false)
  }
  const chosen = locked ?? (focus && sheet?.strongest(focus))
  useKeys({
    left: () => move(0, -1),
    right: () => move(0, 1),
    up: () => move(-1, 0),
    down: () => move(1, 0),
    enter: () => focus && select(focus, true),
    escape: () => lock(undefined),
    o: () => {
      const latent = parseLatentKey(chosen)
      if (latent)
        void navigate({
          to: '/latent/$sae/$index',
          params: { sae: latent.sae, index: String(latent.index) },
        })
    },
    s: () => {
      const latent = parseLatentKey(chosen)
      if (!latent) return
      const dock = formatInterventions([
        { sae: latent.sae, latent: latent.index, mode: 'add', strength: 1 },
      ])
      void navigate({
        to: '/',
        search: (old) => ({ ...old, dock }),
        replace: true,
        resetScroll: false,
      })
    },
  })

  const run = workspace.data?.runs.find((r) => r.state === 'running' || r.state === 'paused')
  // In its first moments a workspace holds no suite, and so no model.
  const early = workspace.data !== undefined && suite === undefined
  return (
    <main className="page microscope">
      <h1 className="hidden">Microscope: layers by tokens</h1>
      <Sentence
        // A sample that arrives late must not take away what has been typed meanwhile.
        key={search.text ?? longText ?? ''}
        text={text}
        tooLong={longText !== undefined && search.text === undefined}
        busy={result.isFetching}
        suites={workspace.data?.suites.map((s) => s.name) ?? []}
        suite={suite}
        onSuite={(name) =>
          update(({ at, latent, site, dictionary, ...old }) => ({ ...old, suite: name }))
        }
        onText={(next) => {
          setLongText(next.length > longestInUrl ? next : undefined)
          const inUrl = next.length > longestInUrl ? {} : { text: next }
          void navigate({
            to: '/',
            search: ({ text, at, latent, ...old }: MicroscopeState) => ({ ...old, ...inUrl }),
          })
        }}
      />
      {workspace.error && !workspace.data && (
        <Failure error={workspace.error} onRetry={() => void workspace.refetch()} />
      )}
      {early && <Coming run={run} />}
      {result.error && <Failure error={result.error} onRetry={() => void result.refetch()} />}
      <MicroscopeBar
        choice={choice}
        rank={rank}
        narrow={search.cells === 'narrow'}
        onSite={(kind) =>
          update(({ site, dictionary, at, latent, ...old }) => ({ ...old, site: kind }))
        }
        onDictionary={(key) =>
          update(({ dictionary, at, latent, ...old }) => ({ ...old, dictionary: key }))
        }
        onRank={(by) =>
          update(({ rank, ...old }) => (by === 'activation' ? old : { ...old, rank: by }))
        }
        onNarrow={(narrow) =>
          update(({ cells, ...old }) => (narrow ? { ...old, cells: 'narrow' } : old))
        }
      />
      {sheet && result.data && focus && target ? (
        <div className="instrument" data-busy={result.isPlaceholderData || undefined}>
          <div className="plate">
            <Legend sheet={sheet} lit={lit} locked={locked} onUnlock={() => lock(undefined)} />
            <Grid
              sheet={sheet}
              focus={focus}
              lit={lit}
              alone={hoverLatent !== undefined || (locked !== undefined && lit === locked)}
              narrow={search.cells === 'narrow'}
              onHover={setHover}
              onSelect={select}
            />
            <LeftOut
              words={result.data.left_out}
              dense={search.dense === 'shown'}
              special={search.special === 'read'}
              onDense={(shown) =>
                update(({ dense, ...old }) => (shown ? { ...old, dense: 'shown' } : old))
              }
              onSpecial={(read) =>
                update(({ special, ...old }) => (read ? { ...old, special: 'read' } : old))
              }
              rows={sheet.rows}
              run={run}
            />
          </div>
          <CellPanel
            sheet={sheet}
            text={text}
            suite={suite}
            cell={target}
            depth={search.panel === 'depth'}
            onDepth={showDepth}
            lit={lit}
            locked={locked}
            onHoverLatent={setHoverLatent}
            onLock={lock}
          />
        </div>
      ) : (
        !result.error &&
        !workspace.error &&
        !early && <div className="instrument waiting" aria-busy="true" />
      )}
    </main>
  )
}

/** The text box with the sentence, and how the cells are shown. */
function Sentence(props: {
  text: string
  tooLong: boolean
  busy: boolean
  suites: readonly string[]
  suite: string | undefined
  onSuite: (name: string) => void
  onText: (text: string) => void
}) {
  const [typed, setTyped] = useState<string>()
  const draft = typed ?? props.text
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (draft.trim() !== '') props.onText(draft)
  }
  return (
    <form className="sentence" onSubmit={submit}>
      <label className="hidden" htmlFor="sentence">
        Your sentence
      </label>
      <textarea
        id="sentence"
        value={draft}
        rows={1}
        maxLength={20_000}
        spellCheck={false}
        placeholder="Type a sentence, and see what each layer makes of it."
        onChange={(e) => setTyped(e.target.value)}
        onKeyDown={(e) => {
          if (e.key === 'Enter' && !e.shiftKey) submit(e)
          if (e.key === 'Escape') e.currentTarget.blur()
        }}
      />
      <div className="sentence-actions">
        <button type="submit" className="primary" disabled={draft.trim() === ''}>
          Look
        </button>
        {props.suites.length > 1 && (
          <select
            aria-label="Suite"
            value={props.suite}
            onChange={(e) => props.onSuite(e.target.value)}
          >
            {props.suites.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
        <span className="quiet" role="status">
          {props.busy
            ? 'reading…'
            : props.tooLong
              ? 'too long for the address: not in the link'
              : ''}
        </span>
      </div>
    </form>
  )
}

/** In place of the grid while no suite is planned: how far the work is. */
function Coming(props: { run: Run | undefined }) {
  const { run } = props
  return (
    <section className="coming" aria-label="What is to come">
      {run ? (
        <p>{runMessage(run)}</p>
      ) : (
        <p>
          The workspace holds no suite yet. <code>hooke demo</code> makes one from the bundled
          model, <code>hooke train</code> from yours.
        </p>
      )}
      {run && (
        <>
          <progress max={1} value={run.progress} aria-label={run.message} />
          <p className="quiet">
            {remaining(run.remaining_ms)} <Link to="/suite">Watch the work</Link>
          </p>
        </>
      )}
    </section>
  )
}

/** Below the grid: what is not shown and why, how to show it, and what is still to come. */
function LeftOut(props: {
  words: readonly string[]
  dense: boolean
  special: boolean
  onDense: (dense: boolean) => void
  onSpecial: (special: boolean) => void
  rows: readonly SheetRow[]
  run: Run | undefined
}) {
  const coming = props.rows.filter((row) => row.waitingFor !== undefined)
  const { run } = props
  return (
    <div className="left-out">
      <div className="left-out-line">
        <p>
          {props.words.length > 0 ? `Left out: ${props.words.join('; ')}.` : 'Nothing is left out.'}
        </p>
        <label className="check">
          <input
            type="checkbox"
            checked={props.special}
            onChange={(e) => props.onSpecial(e.target.checked)}
          />
          read special tokens
        </label>
        <label className="check">
          <input
            type="checkbox"
            checked={props.dense}
            onChange={(e) => props.onDense(e.target.checked)}
          />
          show dense latents
        </label>
      </div>
      {props.rows.length === 0 && !run && (
        <Notice>
          No dictionary is trained for this model yet. Tokens, their loss and the predictions are
          known without one. <code>hooke train</code> makes one for every layer.
        </Notice>
      )}
      {(coming.length > 0 || run) && (
        <p>
          {coming.length > 0 &&
            coming.length < props.rows.length &&
            `To come: ${coming.map((row) => row.name).join(', ')}. `}
          {run && (
            <>
              <span className="now">{runMessage(run)}</span>
              {run.remaining_ms !== undefined && `, ${remaining(run.remaining_ms)}`}.{' '}
              {coming.length > 0
                ? 'Rows fill as layers are trained. '
                : 'Strengths and labels follow. '}
              <Link to="/suite">Watch the work</Link>
            </>
          )}
        </p>
      )}
    </div>
  )
}

const noSaes: readonly SaeSummary[] = []

/** What is asked of the server; what is usual is left out. */
function requestOf(
  text: string,
  suite: string | undefined,
  saes: string[] | undefined,
  { rank, dense, special }: MicroscopeState,
): MicroscopeRequest {
  return {
    text,
    ...(suite === undefined ? {} : { suite }),
    ...(saes === undefined ? {} : { saes }),
    ...(rank === undefined ? {} : { rank }),
    ...(dense === 'shown' ? { max_density: 1 } : {}),
    ...(special === 'read' ? { special: true } : {}),
  }
}

/** Where one looks: the part of the state that changes with every key. */
type Place = { at?: string; latent?: string }

const placeOf = ({ at, latent }: MicroscopeState): Place => ({
  ...(at === undefined ? {} : { at }),
  ...(latent === undefined ? {} : { latent }),
})

function readCell(at: string | undefined, n_rows: number, n_columns: number): Cell | undefined {
  const [row, column] = (at ?? '').split('.').map(Number)
  if (row === undefined || column === undefined) return undefined
  return row < Math.max(1, n_rows) && column < n_columns ? { row, column } : undefined
}
