/** The entry view: what each layer makes of each token of one's own sentence. */
import { useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useDeferredValue, useMemo, useState } from 'react'
import type { MicroscopeRequest, SaeSummary } from '../../../src/api/index.ts'
import { microscopeQuery, workspaceQuery } from '../api/queries.ts'
import { parseLatentKey } from '../format/names.ts'
import { CellPanel } from '../parts/CellPanel.tsx'
import { Grid } from '../parts/Grid.tsx'
import type { Cell } from '../parts/gridWindow.ts'
import { Coming, LeftOut } from '../parts/LeftOut.tsx'
import { Legend } from '../parts/Legend.tsx'
import { MicroscopeBar } from '../parts/MicroscopeBar.tsx'
import { Failure } from '../parts/Notice.tsx'
import { Sentence } from '../parts/Sentence.tsx'
import { useAddressed } from '../state/addressed.ts'
import { useKeys } from '../state/keys.ts'
import { readSheet, startCell } from '../state/sheet.ts'
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
      {suite !== undefined && (
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
      )}
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
