/** The sentence under the microscope: typed, sent by Enter, and through which suite. */
import { type FormEvent, useState } from 'react'
import { SuiteChoice } from './SuiteChoice.tsx'

/** The text box; `tooLong` says that the text is not in the address. */
export function Sentence(props: {
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
        <SuiteChoice {...props} />
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
