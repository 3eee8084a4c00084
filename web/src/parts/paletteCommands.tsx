/** What the palette lists: actions of the view one is in, views, suites, the page's own, and latents that the server finds. */
import { useQuery } from '@tanstack/react-query'
import { useLocation, useNavigate } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import type { Workspace } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { keys, workspaceQuery } from '../api/queries.ts'
import { latentsAt } from '../format/latentPlace.ts'
import { latentName, saeName } from '../format/names.ts'
import { useDebounced } from '../state/debounced.ts'
import { type KeyEntry, keyList, printed } from '../state/keyList.ts'
import { liveKeys, pressKey } from '../state/keys.ts'
import { longestInUrl } from '../state/urlState.ts'
import { viewAt, views } from '../state/views.ts'
import { LabelText } from './LatentLink.tsx'

/** One line of the list; `words` are what is read and, with the group's name, what typing is matched with. */
export type Command = {
  readonly id: string
  readonly group: 'Here' | 'Go to' | 'Latents' | 'Suites' | 'Page' | 'With this text'
  readonly words: string
  /** In place of the words. */
  readonly shown?: ReactNode
  readonly keys?: readonly string[]
  /** Found for what was typed before: shown until the answer is there. */
  readonly stale?: boolean
  readonly run: () => void
}

/** What the frame of the page does itself. */
type PageActions = { readonly onTheme: () => void }

const mostLatents = 8

/** Commands for what was typed: those whose words begin with each word of it, and latents by place, label or token. */
export function useCommands(
  text: string,
  page: PageActions,
): { commands: Command[]; waiting: boolean; error: Error | null } {
  const asked = text.trim()
  const settled = useDebounced(asked, 60)
  const navigate = useNavigate()
  const { pathname } = useLocation()
  const { data: workspace } = useQuery(workspaceQuery)
  const search = useQuery({
    queryKey: [...keys.search, 'palette', settled],
    queryFn: ({ signal }) => api.search({ q: settled, limit: mostLatents }, { signal }),
    enabled: settled !== '',
    placeholderData: (old) => old,
  })
  const fixed = [
    ...actionsOf(viewAt(pathname), 'Here'),
    ...views.map(
      ({ to, name, key, does }): Command => ({
        id: `view ${name}`,
        group: 'Go to',
        words: `${name}: ${does}`,
        keys: ['g', key],
        run: () => void navigate({ to }),
      }),
    ),
    ...suiteCommands(
      workspace?.suites ?? [],
      pathname,
      (to, suite) =>
        void navigate({
          to,
          // What was written stays; places in it are the other suite's.
          search: ({ text, q }: { text?: string; q?: string }) => ({
            ...(text === undefined ? {} : { text }),
            ...(q === undefined ? {} : { q }),
            suite,
          }),
        }),
    ),
    ...actionsOf('Everywhere', 'Page'),
    {
      id: 'theme',
      group: 'Page',
      words: 'Theme: switch between light and dark',
      run: page.onTheme,
    },
  ] satisfies Command[]
  if (asked === '') return { commands: fixed, waiting: false, error: null }

  const open = (sae: string, index: number) =>
    void navigate({ to: '/latent/$sae/$index', params: { sae, index: String(index) } })
  const places = latentsAt(asked, workspace?.suites.flatMap(({ saes }) => saes) ?? [])
    .slice(0, mostLatents)
    .map(({ sae, hook, index }): Command => {
      const { suite, width, l0 } = saeName(sae)
      return {
        id: `latent ${sae}/${index}`,
        group: 'Latents',
        words: latentName(hook, index),
        shown: (
          <>
            {latentName(hook, index)}{' '}
            <span className="quiet">
              {suite}, {width} wide, L0 {l0}
            </span>
          </>
        ),
        run: () => open(sae, index),
      }
    })
  const stale = settled !== asked || search.isPlaceholderData
  const found = (search.data?.hits ?? []).map(
    (hit): Command => ({
      id: `latent ${hit.sae}/${hit.index}`,
      group: 'Latents',
      words: latentName(hit.hook, hit.index),
      shown: (
        <>
          <span className="place">{latentName(hit.hook, hit.index)}</span> <LabelText chip={hit} />
        </>
      ),
      stale,
      run: () => open(hit.sae, hit.index),
    }),
  )
  const matching = fixed.filter(({ words, group }) => matches(`${group} ${words}`, asked))
  const withText: Command[] = [
    {
      id: 'search',
      group: 'With this text',
      words: `Search for “${asked}”`,
      run: () => void navigate({ to: '/search', search: { q: asked } }),
    },
    {
      id: 'look',
      group: 'With this text',
      words: `Look at “${asked}” in the microscope`,
      run: () => void navigate({ to: '/', search: { text: asked.slice(0, longestInUrl) } }),
    },
  ]
  // A latent's place is meant as written; another word may be a view's name first.
  const listed = [...places, ...matching, ...found, ...withText]
  const once = new Map(listed.map((command) => [command.id, command]))
  const inGroups = [...Map.groupBy(once.values(), ({ group }) => group).values()].flat()
  return {
    commands: inGroups,
    waiting: search.isFetching || settled !== asked,
    error: search.error,
  }
}

/** Keys that do something now, by what they do; moving step by step is left to the keys, and views are listed by themselves. */
function actionsOf(place: KeyEntry['where'] | undefined, group: Command['group']): Command[] {
  const live = liveKeys()
  return keyList
    .filter(({ where, keys: [chord = '', ...more] }) => {
      const isAction = where === place && more.length === 0 && live.has(chord)
      return isAction && chord !== 'escape' && !chord.startsWith('g ')
    })
    .map(
      ({ keys: [chord = ''], does }): Command => ({
        id: `key ${chord}`,
        group,
        words: does.charAt(0).toUpperCase() + does.slice(1),
        keys: printed(chord),
        run: () => pressKey(chord),
      }),
    )
}

/** Views whose address names a suite. */
const withSuite = ['/', '/search', '/review', '/suite', '/learn'] as const

/** Each suite, opened in the view one is in where that shows one suite, else in its own. */
function suiteCommands(
  suites: Workspace['suites'],
  pathname: string,
  open: (to: (typeof withSuite)[number], suite: string) => void,
): Command[] {
  const to = withSuite.find((path) => path === pathname) ?? '/suite'
  return suites.map(({ name, saes }) => ({
    id: `suite ${name}`,
    group: 'Suites',
    words: `Suite ${name}`,
    shown: (
      <>
        {name} <span className="quiet">{saes.length} dictionaries</span>
      </>
    ),
    run: () => open(to, name),
  }))
}

/** Whether each word of a query begins a word. */
function matches(words: string, query: string): boolean {
  const there = words.toLowerCase().split(/[^\p{L}\p{N}]+/u)
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => there.some((w) => w.startsWith(word)))
}
