/** A text of one's own against one latent: the way to try to prove a label wrong. */
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { api } from '../api/client.ts'
import { short } from '../format/numbers.ts'
import { Failure } from './Notice.tsx'
import { Tokens } from './Tokens.tsx'

/** The box and its answer. */
export function TestBox(props: { sae: string; index: number; max_act: number | undefined }) {
  const [text, setText] = useState('')
  const { sae, index } = props
  const test = useMutation({ mutationFn: (t: string) => api.testLatent({ sae, index, text: t }) })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (text.trim() !== '') test.mutate(text)
  }
  const { tokens = [], values: all = [], left_out = [] } = test.data ?? {}
  const values = tokens.map((t, i) => (t.special ? 0 : (all[i] ?? 0)))
  const n_read = tokens.filter((t) => !t.special).length
  const most = Math.max(0, ...values)
  return (
    <section className="test" aria-label="Test">
      <h2>Test it</h2>
      <form onSubmit={submit}>
        <textarea
          rows={2}
          value={text}
          maxLength={20_000}
          spellCheck={false}
          aria-label="Text to test the latent on"
          placeholder="Write something that should make it fire, and something that should not."
          onChange={(e) => setText(e.target.value)}
          onKeyDown={(e) => {
            if (e.key === 'Enter' && !e.shiftKey) submit(e)
            if (e.key === 'Escape') e.currentTarget.blur()
          }}
        />
        <button type="submit" disabled={test.isPending || text.trim() === ''}>
          Test
        </button>
      </form>
      {test.error && <Failure error={test.error} />}
      <div aria-live="polite" className="test-result">
        {test.data && (
          <>
            <Tokens
              name="your text"
              pieces={tokens.map((t) => t.piece)}
              values={values}
              max={Math.max(props.max_act ?? 0, most)}
            />
            <p className="quiet">
              {most > 0
                ? `Fires on ${values.filter((v) => v > 0).length} of ${n_read} tokens, at most ${short(most)}${
                    props.max_act
                      ? `, which is ${short(most / props.max_act)} of its maximum in the corpus`
                      : ''
                  }.`
                : 'It does not fire on this text.'}
              {left_out.length > 0 && ` Left out: ${left_out.join('; ')}.`}
            </p>
          </>
        )}
      </div>
    </section>
  )
}
