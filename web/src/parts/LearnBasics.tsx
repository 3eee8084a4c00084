/** What an SAE is, in four short pieces with a drawing each, in the numbers of the suite that is open; and what to beware of. */
import type { ReactNode } from 'react'
import type { SaeSummary, Workspace } from '../../../src/api/index.ts'
import { count, percent } from '../format/numbers.ts'

/** Heights that a list of numbers is drawn with; an illustration, not a measurement. */
const dense = [9, 15, 6, 12, 17, 8, 13, 5, 16, 10, 14, 7]
const sparse = [0, 0, 16, 0, 0, 0, 11, 0, 0, 0, 0, 18, 0, 0, 0, 0, 0, 7, 0, 0]
const rebuilt = [9, 14, 6, 13, 16, 8, 12, 6, 16, 9, 14, 8]

/** The four pieces; `sae` is the dictionary that the lesson is on. */
export function LearnBasics(props: { workspace: Workspace; sae: SaeSummary | undefined }) {
  const { model } = props.workspace
  const { sae } = props
  const d = sae ? count(sae.d_in) : 'many'
  return (
    <ol className="basics">
      <Piece title="A model thinks in lists of numbers" bars={[dense]}>
        It reads text as tokens, words or parts of words. Each token becomes a list of{' '}
        {model ? count(model.d_model) : 'many'} numbers, its <em>activation</em>, and{' '}
        {model ? `each of ${model.n_layers} layers` : 'every layer'} rewrites the list.
      </Piece>
      <Piece title="One number rarely means one thing" bars={[dense, dense.toReversed()]}>
        A model knows more things than a list has numbers, so it keeps a thing as a{' '}
        <em>direction</em>: a little of each of the {d} numbers. In one list many directions are
        added up.
      </Piece>
      <Piece title="A sparse autoencoder unmixes them" bars={[dense, sparse, rebuilt]}>
        It learns {sae ? count(sae.d_sae) : 'thousands of'} directions, the <em>latents</em>, and
        rebuilds each list by adding up the few that it switches on
        {sae?.metrics ? `: here about ${Math.round(sae.metrics.l0)} a token` : ''}. Nobody tells it
        what to look for. <em>Sparse</em>: few are on. <em>Auto</em>: its only teacher is the list
        that it must rebuild.
      </Piece>
      <Piece title="What a latent means is for you to find out" bars={[sparse]} lit={11}>
        A latent <em>fires</em> on a token when it is switched on there. You see where, and what it
        makes the model say next. A <em>label</em> is somebody’s guess about that, and worth as much
        as the attempts to prove it wrong. Below, you make one.
      </Piece>
    </ol>
  )
}

/** A drawing over a title over two or three sentences. */
function Piece(props: {
  title: string
  bars: readonly (readonly number[])[]
  lit?: number
  children: ReactNode
}) {
  return (
    <li>
      <svg viewBox="0 0 240 22" aria-hidden="true" className="basics-drawing">
        {props.bars.map((list, i) => {
          const from = (i * 240) / props.bars.length
          const step = (240 / props.bars.length - 14) / list.length
          return list.map((height, j) => (
            <rect
              // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place
              key={`${i}.${j}`}
              className={list === sparse && height > 0 ? 'on' : undefined}
              data-quiet={props.lit !== undefined && j !== props.lit ? '' : undefined}
              x={from + j * step}
              y={20 - height}
              width={Math.max(1.5, step - 2)}
              height={Math.max(1, height)}
            />
          ))
        })}
      </svg>
      <h2>{props.title}</h2>
      <p>{props.children}</p>
    </li>
  )
}

/** What a careful reader keeps in mind, in the numbers of the dictionary. */
export function Caveats(props: { sae: SaeSummary | undefined }) {
  const metrics = props.sae?.metrics
  return (
    <section className="caveats" aria-label="Before you believe a label">
      <h2>Before you believe a label</h2>
      <ul>
        <li>
          The strongest examples flatter. Most of the time a latent fires weakly, and there it may
          mean something else: read the weaker examples too.
        </li>
        <li>
          A latent that fires on a thing need not be all the model has for it. The thing may be
          split over several latents, or partly missed.
        </li>
        <li>
          The dictionary leaves something out
          {metrics
            ? `: here ${percent(metrics.fvu)} of the variance, measured on ${count(metrics.n_tokens)} tokens`
            : ''}
          . What it leaves out has no latent to look at.
        </li>
        <li>
          Firing is not doing. Only a change shows what a latent does to the text, and a strong
          change breaks any text: look for the smallest strength that shows.
        </li>
        <li>
          One reader with one guess is one reader. Labels by people and machines stand side by side,
          with their scores and who disagrees.
        </li>
      </ul>
    </section>
  )
}
