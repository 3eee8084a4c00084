/** The labels of a latent: the one in use, edited where it stands; all others, with who, how and how far to trust. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import type { LabelView, LatentView } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { keys } from '../api/queries.ts'
import { date, fixed } from '../format/numbers.ts'
import { useRemembered } from '../state/remembered.ts'
import { Failure } from './Notice.tsx'
import { Term } from './Term.tsx'

const methodWords = {
  manual: 'by hand',
  lexical: 'from words',
  llm: 'by a language model',
} as const
const methodRank = { manual: 0, llm: 1, lexical: 2 } as const

/** The label in use: by hand before by a language model before lexical, newest first, as the server shows it. */
export function currentLabel(labels: readonly LabelView[]): LabelView | undefined {
  return labels
    .filter((l) => l.retired_at === undefined)
    .sort(
      (a, b) =>
        methodRank[a.method] - methodRank[b.method] ||
        b.created_at.localeCompare(a.created_at) ||
        b.id - a.id,
    )[0]
}

/** Heading and editor in one: a click or the key `e` (see the view) turns the label into a field. */
export function LabelEditor(props: {
  latent: LatentView
  editing: boolean
  onEditing: (editing: boolean) => void
}) {
  const { latent, editing, onEditing } = props
  const client = useQueryClient()
  const current = currentLabel(latent.labels)
  const [author, setAuthor] = useRemembered('author', 'me')
  const [undo, setUndo] = useState<{ words: string; act: () => void }>()
  const field = useRef<HTMLInputElement>(null)
  const settled = () =>
    Promise.all(
      [keys.latent, keys.microscope, keys.search, keys.latents].map((queryKey) =>
        client.invalidateQueries({ queryKey }),
      ),
    )
  const add = useMutation({
    mutationFn: (label: { text: string; author: string }) =>
      api.addLabel(latent.sae, latent.index, label),
    onSuccess: (saved) => {
      onEditing(false)
      setUndo({ words: 'Saved.', act: () => retire.mutate(saved) })
    },
    onSettled: settled,
  })
  const retire = useMutation({
    mutationFn: (label: LabelView) => api.retireLabel(label.id),
    onSuccess: (_, label) =>
      setUndo({
        words: 'Withdrawn.',
        act: () => add.mutate({ text: label.text, author: label.author }),
      }),
    onSettled: settled,
  })

  useEffect(() => {
    if (editing) field.current?.select()
  }, [editing])
  useEffect(() => {
    if (!undo) return
    const timer = setTimeout(() => setUndo(undefined), 12_000)
    return () => clearTimeout(timer)
  }, [undo])

  const others = latent.labels.filter((l) => l.id !== current?.id)
  return (
    <section className="labels" aria-label="Labels">
      {editing ? (
        <form
          className="label-form"
          onSubmit={(e) => {
            e.preventDefault()
            const data = new FormData(e.currentTarget)
            const text = String(data.get('text') ?? '').trim()
            const by = String(data.get('author') ?? '').trim() || 'me'
            setAuthor(by)
            if (text) add.mutate({ text, author: by })
          }}
          onKeyDown={(e) => e.key === 'Escape' && onEditing(false)}
        >
          <input
            ref={field}
            name="text"
            className="label-field"
            aria-label="Label"
            defaultValue={current?.text ?? ''}
            maxLength={500}
            placeholder="What do its examples share?"
            required
          />
          <div className="label-form-actions">
            <label>
              by <input name="author" defaultValue={author} maxLength={100} size={12} />
            </label>
            <button type="submit" className="primary" disabled={add.isPending}>
              Save
            </button>
            <button type="button" onClick={() => onEditing(false)}>
              Cancel
            </button>
          </div>
        </form>
      ) : (
        <h1 className="label-title">
          <button type="button" onClick={() => onEditing(true)} title="Edit the label">
            {current ? <bdi>{current.text}</bdi> : <span className="unlabelled">no label yet</span>}
            <span className="edit-hint" aria-hidden="true">
              edit <kbd>e</kbd>
            </span>
          </button>
        </h1>
      )}
      {current && <Provenance label={current} onRetire={() => retire.mutate(current)} />}
      {!current && (
        <p className="provenance quiet">Be the first to name it: what do its examples share?</p>
      )}
      {(add.error ?? retire.error) && <Failure error={add.error ?? retire.error} />}
      <div role="status" className="undo">
        {undo && (
          <>
            {undo.words}{' '}
            <button
              type="button"
              className="action"
              onClick={() => {
                undo.act()
                setUndo(undefined)
              }}
            >
              undo
            </button>
          </>
        )}
      </div>
      {others.length > 0 && (
        <details className="history">
          <summary>
            {others.length} other {others.length === 1 ? 'label' : 'labels'}
          </summary>
          <ul>
            {others.map((label) => (
              <li key={label.id} className={label.retired_at ? 'retired' : undefined}>
                <bdi className={`label by-${label.method}`}>{label.text}</bdi>
                <Provenance
                  label={label}
                  {...(label.retired_at
                    ? { onRestore: () => add.mutate({ text: label.text, author: label.author }) }
                    : { onRetire: () => retire.mutate(label) })}
                />
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}

function Provenance(props: { label: LabelView; onRetire?: () => void; onRestore?: () => void }) {
  const { label } = props
  return (
    <p className="provenance quiet">
      {methodWords[label.method]}, {label.author}, {date(label.created_at)}
      {label.score !== undefined && (
        <>
          ; <Term of="score">score</Term> {fixed(label.score, 2)}
          {label.score_method && ` (${label.score_method})`}
        </>
      )}
      {label.evidence && (
        <>
          ; <bdi>{label.evidence}</bdi>
        </>
      )}
      {label.retired_at && `; withdrawn ${date(label.retired_at)}`}
      {props.onRetire && (
        <button type="button" className="action" onClick={props.onRetire}>
          withdraw
        </button>
      )}
      {props.onRestore && (
        <button type="button" className="action" onClick={props.onRestore}>
          restore
        </button>
      )}
    </p>
  )
}
