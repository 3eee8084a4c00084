/** Steering: what is changed and by how much, the default text beside the steered one. View and dock are made of it. */
import { type FormEvent, type ReactNode, useMemo } from 'react'
import type { Intervention, LatentChip } from '../../../src/api/index.ts'
import { latentName, visiblePiece } from '../format/names.ts'
import { short } from '../format/numbers.ts'
import { diffTokens } from '../format/tokenDiff.ts'
import { perplexity, type SteerRun, type SteerToken, useSteering } from '../state/steering.ts'
import { InterventionRow } from './InterventionRow.tsx'
import { LabelText } from './LatentLink.tsx'
import { LatentPicker } from './LatentPicker.tsx'
import { Failure } from './Notice.tsx'
import { Term } from './Term.tsx'

/** Everything a run needs. */
export type SteerForm = {
  readonly prompt: string
  readonly interventions: readonly Intervention[]
  readonly seed: number
  readonly temperature: number
  readonly tokens: number
}

/** What stands in a fresh form; the prompt is the reader's to choose. */
export const freshForm: SteerForm = {
  prompt: 'The old man looked at the sea and said',
  interventions: [],
  seed: 1,
  temperature: 0.7,
  tokens: 60,
}

/** The panel. `compact` is the dock's form. */
export function SteerPanel(props: {
  form: SteerForm
  onForm: (form: SteerForm) => void
  compact?: boolean
  /** Latents to begin with, offered beside the search. */
  offered?: readonly LatentChip[]
  children?: ReactNode
}) {
  const { form, onForm } = props
  const { run, start, stop } = useSteering()
  const change = (part: Partial<SteerForm>) => onForm({ ...form, ...part })
  const ready = form.interventions.length > 0
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (!ready) return
    start({
      prompt: form.prompt,
      interventions: [...form.interventions],
      max_tokens: form.tokens,
      temperature: form.temperature,
      seed: form.seed,
    })
  }
  return (
    <form className={props.compact ? 'steer compact' : 'steer'} onSubmit={submit}>
      <div className="steer-controls">
        <label className="prompt">
          <span className="field-name">Prompt</span>
          <textarea
            rows={props.compact ? 1 : 2}
            value={form.prompt}
            maxLength={20_000}
            spellCheck={false}
            onChange={(e) => change({ prompt: e.target.value })}
            onKeyDown={(e) => {
              if (e.key === 'Enter' && !e.shiftKey) submit(e)
              if (e.key === 'Escape') e.currentTarget.blur()
            }}
          />
        </label>
        <fieldset className="interventions">
          <legend className="field-name">Change</legend>
          {form.interventions.map((item, i) => (
            <InterventionRow
              key={`${item.sae}/${item.latent}`}
              item={item}
              onChange={(next) =>
                change({
                  interventions: form.interventions.map((old, j) => (j === i ? next : old)),
                })
              }
              onRemove={() =>
                change({ interventions: form.interventions.filter((_, j) => j !== i) })
              }
            />
          ))}
          {!props.compact && form.interventions.length < 16 && (
            <LatentPicker
              taken={form.interventions}
              onPick={(chip) => change({ interventions: [...form.interventions, added(chip)] })}
            />
          )}
          <Offered
            latents={props.offered ?? []}
            taken={form.interventions}
            onTake={(chip) => change({ interventions: [added(chip)] })}
          />
        </fieldset>
        <div className="steer-run">
          <NumberField
            name="seed"
            value={form.seed}
            min={0}
            max={2 ** 31 - 1}
            step={1}
            onValue={(seed) => change({ seed })}
          />
          <NumberField
            name="temperature"
            value={form.temperature}
            min={0}
            max={5}
            step={0.1}
            onValue={(temperature) => change({ temperature })}
          />
          <NumberField
            name="tokens"
            value={form.tokens}
            min={1}
            max={2048}
            step={1}
            onValue={(tokens) => change({ tokens })}
          />
          {run.state === 'running' ? (
            <button type="button" className="primary" onClick={stop}>
              Stop
            </button>
          ) : (
            <button type="submit" className="primary" disabled={!ready}>
              Steer
            </button>
          )}
          {props.children}
        </div>
      </div>
      <Sides run={run} prompt={form.prompt} />
    </form>
  )
}

/** A latent as it is first steered with: added at its own maximum. */
export const added = (chip: Pick<LatentChip, 'sae' | 'index'>): Intervention => ({
  sae: chip.sae,
  latent: chip.index,
  mode: 'add',
  strength: 1,
})

/** A few latents that can be tried in place of what is being changed. */
function Offered(props: {
  latents: readonly LatentChip[]
  taken: readonly Intervention[]
  onTake: (chip: LatentChip) => void
}) {
  const others = props.latents
    .filter(({ sae, index }) => !props.taken.some((t) => t.sae === sae && t.latent === index))
    .slice(0, 5)
  if (others.length === 0) return null
  return (
    <p className="offered">
      <span className="quiet">or try</span>
      {others.map((chip) => (
        <button
          key={`${chip.sae}/${chip.index}`}
          type="button"
          title={latentName(chip.hook, chip.index)}
          onClick={() => props.onTake(chip)}
        >
          <LabelText chip={chip} />
        </button>
      ))}
    </p>
  )
}

function NumberField(props: {
  name: string
  value: number
  min: number
  max: number
  step: number
  onValue: (value: number) => void
}) {
  return (
    <label className="number-field">
      <span className="field-name">{props.name}</span>
      <input
        type="number"
        value={props.value}
        min={props.min}
        max={props.max}
        step={props.step}
        onChange={(e) => {
          const x = e.target.valueAsNumber
          if (Number.isFinite(x)) props.onValue(Math.min(props.max, Math.max(props.min, x)))
        }}
      />
    </label>
  )
}

function Sides(props: { run: SteerRun; prompt: string }) {
  const { run } = props
  const diff = useMemo(
    () =>
      diffTokens(
        run.default.map((t) => t.piece),
        run.steered.map((t) => t.piece),
      ),
    [run],
  )
  return (
    <div className="sides" aria-busy={run.state === 'running'}>
      {(['default', 'steered'] as const).map((side) => (
        <section key={side} className={`side ${side}`} aria-label={`${side} text`}>
          <header>
            <h2>{side}</h2>
            <span className="quiet">
              {run[side].length > 0 && (
                <>
                  {run[side].length} tokens, <Term of="perplexity">perplexity</Term>{' '}
                  {short(perplexity(run[side]))}
                </>
              )}
            </span>
          </header>
          <SideText
            prompt={props.prompt}
            tokens={run[side]}
            changed={side === 'default' ? diff.a : diff.b}
            idle={run.state === 'idle'}
          />
        </section>
      ))}
      {run.error !== undefined && <Failure error={run.error} />}
      <p className="quiet side-note" role="status">
        {run.state === 'stopped' && 'Stopped. '}
        {run.state === 'done' && differenceWords(diff.b)}
      </p>
    </div>
  )
}

function differenceWords(changed: readonly boolean[]): string {
  const n = changed.filter(Boolean).length
  return n === 0
    ? 'The two texts are the same: try a greater strength.'
    : `${n} of ${changed.length} steered tokens differ, marked above. Same seed on both sides.`
}

/** A token in the running text: its line breaks break the line, all else that is invisible is shown. */
const shownText = ({ piece, text = piece.replaceAll('↵', '\n') }: SteerToken) =>
  text
    .split('\n')
    .map((part) => (part === '' ? '' : visiblePiece(part)))
    .join('\n')

function SideText(props: {
  prompt: string
  tokens: readonly SteerToken[]
  changed: readonly boolean[]
  idle: boolean
}) {
  if (props.idle) return <p className="side-text quiet">{props.prompt} …</p>
  return (
    <p className="side-text">
      <span className="quiet">{props.prompt}</span>
      {props.tokens.map((t, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a token is its position
        <span key={i} className={props.changed[i] ? 'differs' : undefined}>
          {shownText(t)}
        </span>
      ))}
    </p>
  )
}
