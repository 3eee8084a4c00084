/** Where a latent fires in the corpus: the strongest places, then samples from each activation interval. */
import { useState } from 'react'
import type { ExampleView, LatentView } from '../../../src/api/index.ts'
import { percent, short } from '../format/numbers.ts'
import { Tokens } from './Tokens.tsx'

/** How much text around the peak is shown; `full` is all that the index keeps, as running text. */
export type Context = '5' | '16' | 'full'
const contexts: readonly (readonly [Context, string])[] = [
  ['5', '±5'],
  ['16', '±16'],
  ['full', 'as text'],
]

/** The part of an example within `context` tokens of its peak. */
export function windowOf(example: ExampleView, context: Context): { from: number; to: number } {
  if (context === 'full') return { from: 0, to: example.pieces.length }
  const reach = Number(context)
  return {
    from: Math.max(0, example.peak - reach),
    to: Math.min(example.pieces.length, example.peak + reach + 1),
  }
}

/** All examples of a latent, grouped by interval. */
export function Examples(props: {
  latent: Pick<LatentView, 'examples' | 'intervals' | 'max_act' | 'n_active'>
  context: Context
  onContext: (context: Context) => void
}) {
  const { examples, intervals, max_act = 0, n_active } = props.latent
  // On a phone forty passages would hide everything below them.
  const [isWhole, setIsWhole] = useState(false)
  const groups = Map.groupBy(examples, (e) => e.interval)
  const shown = [...groups.keys()].sort((a, b) => a - b)
  return (
    <section className={isWhole ? 'examples' : 'examples first-ones'} aria-label="Examples">
      <header className="section-head">
        <h2>Strongest examples</h2>
        <fieldset className="chips">
          <legend className="hidden">Context around the peak</legend>
          {contexts.map(([value, name]) => (
            <label key={value}>
              <input
                type="radio"
                name="context"
                checked={props.context === value}
                onChange={() => props.onContext(value)}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
      </header>
      {examples.length === 0 && (
        <p className="quiet">It did not fire in the corpus that was counted.</p>
      )}
      {shown.map((interval) => {
        const borders = intervals.find((one) => one.interval === interval)
        return (
          <div key={interval}>
            {interval > 0 && interval === shown.find((n) => n > 0) && (
              <h2 className="interval-title">Drawn at random, by activation</h2>
            )}
            {borders && (
              <h3 className="interval">
                {short(borders.from)} to {short(Math.min(borders.to, max_act))}
                {borders.n_active !== undefined && (
                  <span>{percent(borders.n_active / n_active)} of its activations</span>
                )}
              </h3>
            )}
            <ol className="example-list">
              {groups.get(interval)?.map((example) => (
                <li key={`${example.doc}.${example.start}.${example.peak}`}>
                  <Example example={example} max={max_act} context={props.context} />
                </li>
              ))}
            </ol>
          </div>
        )
      })}
      {!isWhole && (
        <button type="button" className="action only-narrow" onClick={() => setIsWhole(true)}>
          all {examples.length} examples
        </button>
      )}
    </section>
  )
}

/** One passage, cut to the context asked for. */
export function Example(props: { example: ExampleView; max: number; context: Context }) {
  const { example } = props
  const { from, to } = windowOf(example, props.context)
  return (
    <Tokens
      name={`document ${example.doc}, token ${example.start + example.peak}`}
      pieces={example.pieces.slice(from, to)}
      values={example.values.slice(from, to)}
      peak={example.peak - from}
      max={props.max}
      aligned={props.context !== 'full'}
    />
  )
}
