/** A field that finds a latent by words and takes it: a combobox over the search. */
import { useInfiniteQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useId, useState } from 'react'
import type { Intervention, LatentChip } from '../../../src/api/index.ts'
import { searchQuery } from '../api/searchQueries.ts'
import { latentName } from '../format/names.ts'
import { useDebounced } from '../state/debounced.ts'
import { useWhenReady } from '../state/whenReady.ts'
import { LabelText } from './LatentLink.tsx'

/** The field; latents already taken are not offered again. */
export function LatentPicker(props: {
  taken: readonly Intervention[]
  onPick: (chip: LatentChip) => void
}) {
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const id = useId()
  const query = useDebounced(text, 150)
  const { data, error, isPlaceholderData } = useInfiniteQuery(
    searchQuery({ q: query, kind: 'all' }),
  )
  const isCurrent = query === text && !isPlaceholderData
  const hits =
    text.trim() === ''
      ? []
      : (data?.pages[0]?.hits ?? [])
          .filter((h) => !props.taken.some((t) => t.sae === h.sae && t.latent === h.index))
          .slice(0, 8)
  const at = Math.min(chosen, hits.length - 1)
  const take = (chip: LatentChip | undefined) => {
    if (!chip) return
    props.onPick(chip)
    setText('')
    setChosen(0)
  }
  const enter = useWhenReady(text, isCurrent, () => take(hits[at]))
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setChosen(Math.min(hits.length - 1, at + 1))
    else if (event.key === 'ArrowUp') setChosen(Math.max(0, at - 1))
    else if (event.key === 'Enter') enter()
    else if (event.key === 'Escape') setText('')
    else return
    event.preventDefault()
  }
  return (
    <div className="picker">
      <input
        type="text"
        role="combobox"
        aria-label="Add a latent: find it by words"
        aria-expanded={hits.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={hits[at] ? `${id}-${at}` : undefined}
        autoComplete="off"
        placeholder="add a latent: words of its label or its tokens"
        value={text}
        onChange={(e) => {
          setText(e.target.value)
          setChosen(0)
        }}
        onKeyDown={onKeyDown}
      />
      {hits.length > 0 && (
        <div className="picker-list" id={`${id}-list`} role="listbox">
          {hits.map((hit, i) => (
            <button
              key={`${hit.sae}/${hit.index}`}
              type="button"
              id={`${id}-${i}`}
              role="option"
              aria-selected={i === at}
              tabIndex={-1}
              onPointerDown={(e) => e.preventDefault()}
              onClick={() => take(hit)}
            >
              <span className="place">{latentName(hit.hook, hit.index)}</span>
              <LabelText chip={hit} />
            </button>
          ))}
        </div>
      )}
      {text.trim() !== '' && isCurrent && data && hits.length === 0 && (
        <p className="quiet">Nothing found. Try a word that its examples hold.</p>
      )}
      {error && <p className="quiet">{error.message}</p>}
    </div>
  )
}
