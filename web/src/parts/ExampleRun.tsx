/** A latent's examples through the model again, at a press: which latents fire along, and what ablating it does. */
import { useMutation } from '@tanstack/react-query'
import type { LatentView, ExampleRun as Run } from '../../../src/api/index.ts'
import { api } from '../api/client.ts'
import { count, percent, short, signed } from '../format/numbers.ts'
import { LatentLink } from './LatentLink.tsx'
import { Failure } from './Notice.tsx'
import { Term } from './Term.tsx'

/** The press and its answer. */
export function ExampleRun(props: { latent: LatentView }) {
  const { sae, index, examples } = props.latent
  const run = useMutation({ mutationFn: () => api.runExamples({ sae, index }) })
  if (examples.length === 0) return null
  return (
    <section className="example-run" aria-label="Its examples run again">
      <header className="section-head">
        <h2>Fires with, and what it is good for</h2>
        <button type="button" disabled={run.isPending} onClick={() => run.mutate()}>
          {run.isPending ? 'running…' : `Run its ${examples.length} examples`}
        </button>
      </header>
      {run.error && <Failure error={run.error} />}
      <div aria-live="polite">
        {run.data ? (
          <Answer run={run.data} />
        ) : (
          <p className="quiet">
            Two passes of the model over its examples: as they are, and with the latent ablated.
          </p>
        )}
      </div>
    </section>
  )
}

function Answer({ run }: { run: Run }) {
  return (
    <>
      <h3>
        <Term of="ablation">Loss when it is ablated</Term>
      </h3>
      {run.ablation ? (
        <dl className="facts">
          <Change name="the token after the peak" change={run.ablation.at_peak} />
          <Change name="mean of those after it" change={run.ablation.after_peak} />
        </dl>
      ) : (
        <p className="quiet">{run.ablation_absent}</p>
      )}
      <h3>
        <Term of="companions">Latents that fire with it</Term>
      </h3>
      {run.companions.length === 0 && (
        <p className="quiet">None fires with it more often than elsewhere.</p>
      )}
      {run.companions.length > 0 && (
        <ol className="companions">
          {run.companions.map((one) => (
            <li key={one.index}>
              <span className="value">{percent(one.share)}</span>
              <span className="value">{short(one.lift)} ×</span>
              <LatentLink chip={one} />
            </li>
          ))}
        </ol>
      )}
      <p className="quiet">
        {count(run.n_tokens)} tokens of {run.n_examples} examples; it is on at {run.n_active}, and
        still fires at {run.n_peaks_on} of {run.n_examples} peaks now that the text before the
        passages is gone. Examples are its strongest places and samples, not the corpus.
      </p>
    </>
  )
}

type LossChange = NonNullable<NonNullable<Run['ablation']>['at_peak']>

function Change(props: { name: string; change: LossChange | undefined }) {
  const { change } = props
  return (
    <>
      <dt>{props.name}</dt>
      <dd>
        {change ? (
          <>
            {signed(change.mean, short)}
            {change.standard_error !== undefined && ` ± ${short(change.standard_error)}`} nats
            <span className="quiet"> n = {change.n}</span>
          </>
        ) : (
          '–'
        )}
      </dd>
    </>
  )
}
