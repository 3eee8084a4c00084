/** Where a latent fires in the corpus: the strongest places, then samples from each activation interval. */
import type { ExampleView } from '../../../src/api/index.ts'
import { short } from '../format/numbers.ts'
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
  examples: readonly ExampleView[]
  max_act: number
  context: Context
  onContext: (context: Context) => void
}) {
  const groups = Map.groupBy(props.examples, (e) => e.interval)
  const intervals = [...groups.keys()].sort((a, b) => a - b)
  return (
    <section className="examples" aria-label="Examples">
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
      {props.examples.length === 0 && (
        <p className="quiet">It did not fire in the corpus that was counted.</p>
      )}
      {intervals.map((interval) => {
        const list = groups.get(interval) ?? []
        const peaks = list.map((e) => e.values[e.peak] ?? 0)
        return (
          <div key={interval}>
            {interval > 0 && (
              <h3 className="interval">
                {interval === intervals.find((n) => n > 0) && (
                  <span className="interval-title">By activation interval</span>
                )}
                <span>
                  {short(Math.min(...peaks))} to {short(Math.max(...peaks))}
                </span>
              </h3>
            )}
            <ol className="example-list">
              {list.map((example) => (
                <li key={`${example.doc}.${example.start}.${example.peak}`}>
                  <Example example={example} max={props.max_act} context={props.context} />
                </li>
              ))}
            </ol>
          </div>
        )
      })}
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
