/** The labels of a latent: the one in use, edited where it stands; the others beside each other; all that was said before. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import type { LabelView, LatentView } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { keys } from '../api/queries.ts'
import { useKeys } from '../state/keys.ts'
import { useRemembered } from '../state/remembered.ts'
import { type CastVote, Provenance, Votes } from './LabelClaim.tsx'
import { Failure } from './Notice.tsx'

const methodRank = { manual: 0, llm: 1, lexical: 2 } as const

/** The label in use: undisputed first, by hand before by a language model before lexical, newest first, as the server shows it. */
export function currentLabel(labels: readonly LabelView[]): LabelView | undefined {
  return labels
    .filter((l) => l.retired_at === undefined)
    .sort(
      (a, b) =>
        Number(a.disputed ?? false) - Number(b.disputed ?? false) ||
        methodRank[a.method] - methodRank[b.method] ||
        b.created_at.localeCompare(a.created_at) ||
        b.id - a.id,
    )[0]
}

/** What was done last on this page, and the label whose undo takes it back. */
type Done = { readonly words: string; readonly id: number }

/** Heading and editor in one: a click or the key `e` (see the view) turns the label into a field, `u` takes the last change back. */
export function LabelEditor(props: {
  latent: LatentView
  editing: boolean
  onEditing: (editing: boolean) => void
}) {
  const { latent, editing, onEditing } = props
  const current = currentLabel(latent.labels)
  const [author, setAuthor] = useRemembered('author', 'me')
  /** The label that is edited where it is not the current one. */
  const [draft, setDraft] = useState<string>()
  const { done, error, add, undo, withdraw, vote } = useChanges(latent, author)

  const inForce = latent.labels.filter((l) => l.retired_at === undefined)
  const others = inForce.filter((l) => l.id !== current?.id)
  const past = latent.labels.filter((l) => l.retired_at !== undefined)
  const own = inForce.find((l) => l.method === 'manual' && l.author === author)
  const undoable = done?.id ?? own?.id
  useKeys({ u: () => undoable !== undefined && undo('Taken back.', undoable) })

  const edit = (text: string | undefined) => {
    setDraft(text)
    onEditing(true)
  }
  const stop = () => {
    setDraft(undefined)
    onEditing(false)
  }
  return (
    <section className="labels" aria-label="Labels">
      {editing ? (
        <LabelForm
          text={draft ?? current?.text ?? ''}
          author={author}
          busy={add.isPending}
          onCancel={stop}
          onSave={(text, by) => {
            setAuthor(by)
            add.mutate({ text, author: by }, { onSuccess: stop })
          }}
        />
      ) : (
        <h1 className="label-title">
          <button type="button" onClick={() => edit(undefined)} title="Edit the label">
            {current ? <bdi>{current.text}</bdi> : <span className="unlabelled">no label yet</span>}
            <span className="edit-hint" aria-hidden="true">
              edit <kbd>e</kbd>
            </span>
          </button>
        </h1>
      )}
      {current ? (
        <>
          <Provenance label={current} />
          <div className="claim-actions">
            <Votes label={current} author={author} onVote={vote} />
            <button type="button" className="action" onClick={() => withdraw(current)}>
              withdraw
            </button>
          </div>
        </>
      ) : (
        <p className="provenance quiet">Be the first to name it: what do its examples share?</p>
      )}
      {error && <Failure error={error} />}
      <p role="status" className="undo">
        {done && (
          <>
            {done.words}{' '}
            <button type="button" className="action" onClick={() => undo('Taken back.', done.id)}>
              undo
            </button>{' '}
            <kbd>u</kbd>
          </>
        )}
      </p>
      {others.length > 0 && (
        <ul className="claims" aria-label="Other labels">
          {others.map((label) => (
            <Claim
              key={label.id}
              {...{ label, author }}
              onVote={vote}
              onEdit={() => edit(label.text)}
              onWithdraw={() => withdraw(label)}
            />
          ))}
        </ul>
      )}
      {past.length > 0 && (
        <details className="history">
          <summary>{past.length} earlier</summary>
          <ul>
            {past.map((label) => (
              <li key={label.id} className="retired">
                <bdi className={`label by-${label.method}`}>{label.text}</bdi>
                <Provenance label={label} />
                <button
                  type="button"
                  className="action"
                  onClick={() => undo('Brought back.', label.id, displaced(label, inForce))}
                >
                  restore
                </button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  )
}

/** The label that leaves its place when another by the same method and author comes back. */
const displaced = (label: LabelView, inForce: readonly LabelView[]): number =>
  inForce.find((l) => l.method === label.method && l.author === label.author)?.id ?? label.id

/** What can be done to labels, what was done last, and what went wrong. */
function useChanges(latent: LatentView, author: string) {
  const client = useQueryClient()
  const [done, setDone] = useState<Done>()
  const onSettled = () =>
    Promise.all(
      [keys.latent, keys.microscope, keys.search, keys.latents].map((queryKey) =>
        client.invalidateQueries({ queryKey }),
      ),
    )
  const add = useMutation({
    mutationFn: (label: { text: string; author: string }) =>
      api.addLabel({ sae: latent.sae, index: latent.index, ...label }),
    onSuccess: ({ id }) => setDone({ words: 'Saved.', id }),
    onSettled,
  })
  const retire = useMutation({
    mutationFn: (label: LabelView) => api.retireLabel({ id: label.id }),
    onSuccess: ({ id }) => setDone({ words: 'Withdrawn.', id }),
    onSettled,
  })
  const back = useMutation({
    mutationFn: (change: Done & { undone_by: number }) => api.undoLabel({ id: change.id }),
    onSuccess: (_, { words, undone_by }) => setDone({ words, id: undone_by }),
    onSettled,
  })
  const cast = useMutation({
    mutationFn: ({ id, vote }: { id: number; vote: Parameters<CastVote>[1] }) =>
      api.voteOnLabel({ id, author, vote }),
    onSettled,
  })
  const vote: CastVote = ({ id }, vote) => cast.mutate({ id, vote })
  return {
    done,
    error: add.error ?? retire.error ?? back.error ?? cast.error,
    add,
    withdraw: (label: LabelView) => retire.mutate(label),
    undo: (words: string, id: number, undone_by = id) => back.mutate({ words, id, undone_by }),
    vote,
  }
}

function Claim(props: {
  label: LabelView
  author: string
  onVote: CastVote
  onEdit: () => void
  onWithdraw: () => void
}) {
  const { label } = props
  return (
    <li className={label.disputed ? 'claim disputed' : 'claim'}>
      <bdi className={`label by-${label.method}`}>{label.text}</bdi>
      <Provenance label={label} />
      <div className="claim-actions">
        <Votes label={label} author={props.author} onVote={props.onVote} />
        <button type="button" className="action" onClick={props.onEdit}>
          edit
        </button>
        <button type="button" className="action" onClick={props.onWithdraw}>
          withdraw
        </button>
      </div>
    </li>
  )
}

/** The field a label is written in, with its author where that is not settled; Escape leaves it. */
export function LabelForm(props: {
  text: string
  author?: string
  busy: boolean
  onSave: (text: string, author: string) => void
  onCancel: () => void
}) {
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.select(), [])
  return (
    <form
      className="label-form"
      onSubmit={(e) => {
        e.preventDefault()
        const data = new FormData(e.currentTarget)
        const text = String(data.get('text') ?? '').trim()
        const by = String(data.get('author') ?? '').trim() || 'me'
        if (text) props.onSave(text, by)
      }}
      onKeyDown={(e) => e.key === 'Escape' && props.onCancel()}
    >
      <input
        ref={field}
        name="text"
        className="label-field"
        aria-label="Label"
        defaultValue={props.text}
        maxLength={500}
        placeholder="What do its examples share?"
        required
      />
      <div className="label-form-actions">
        {props.author !== undefined && (
          <label>
            by <input name="author" defaultValue={props.author} maxLength={100} size={12} />
          </label>
        )}
        <button type="submit" className="primary" disabled={props.busy}>
          Save
        </button>
        <button type="button" onClick={props.onCancel}>
          Cancel
        </button>
      </div>
    </form>
  )
}
