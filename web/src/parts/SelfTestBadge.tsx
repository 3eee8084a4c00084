/** The badge of a dictionary's self-test: a sign and a word, and at a press the numbers beside the claims. */
import { useId, useState } from 'react'
import type { SelfTest } from '../../../src/api/index.ts'
import { count, none, short } from '../format/numbers.ts'
import { Note } from './Term.tsx'

/** Told apart by sign and word; colour only repeats them. */
const badges = {
  green: { sign: '✓', word: 'as claimed' },
  amber: { sign: '~', word: 'off' },
  red: { sign: '✕', word: 'wrong' },
} as const satisfies Record<SelfTest['badge'], { sign: string; word: string }>

/** What makes it fit, and what else there is to know, in sentences. */
export const selfTestSentences = ({ causes, notes }: SelfTest): string[] => [
  ...causes.map((cause) => `It ${cause}.`),
  ...notes,
]

/** A dash where the dictionary was not tested. */
export function SelfTestBadge(props: { test: SelfTest | undefined }) {
  const id = useId()
  const [open, setOpen] = useState(false)
  const { test } = props
  if (!test) return <span className="quiet">{none}</span>
  const { sign, word } = badges[test.badge]
  return (
    <span className="term-box">
      <button
        type="button"
        className={`badge ${test.badge}`}
        aria-label={`self-test: ${word}`}
        aria-expanded={open}
        aria-describedby={open ? id : undefined}
        onClick={() => setOpen(!open)}
        onBlur={() => setOpen(false)}
        onKeyDown={(e) => e.key === 'Escape' && setOpen(false)}
      >
        <span className="badge-sign" aria-hidden="true">
          {sign}
        </span>
        {word}
      </button>
      {open && (
        <Note id={id}>
          <Numbers test={test} />
          {selfTestSentences(test).map((sentence) => (
            <span key={sentence} className="badge-sentence">
              {sentence}
            </span>
          ))}
        </Note>
      )}
    </span>
  )
}

function Numbers({ test }: { test: SelfTest }) {
  const rows = [
    ['L0', test.l0, test.claimed_l0],
    ['FVU', test.fvu, test.claimed_fvu],
    ['delta loss', test.delta_ce_loss, test.claimed_delta_ce_loss],
  ] as const
  return (
    <>
      {rows.map(([name, found, claimed]) => (
        <span key={name} className="badge-row">
          <span>{name}</span>
          <span>{short(found)}</span>
          <span className="quiet">{claimed === undefined ? '' : `claimed ${short(claimed)}`}</span>
        </span>
      ))}
      <span className="badge-sentence quiet">
        On {count(test.n_tokens)} tokens of built-in text
        {test.claims_from === undefined
          ? '; the release claims nothing'
          : `; claims from ${test.claims_from}`}
        . hooke {test.version}, {test.model} in {test.model_weights}.
      </span>
    </>
  )
}
