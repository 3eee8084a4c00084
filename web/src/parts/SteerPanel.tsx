/** Steering: what is changed and by how much, and the texts beside each other. View and dock are made of it. */
import { useQuery } from '@tanstack/react-query'
import type { FormEvent, ReactNode } from 'react'
import type { Intervention, LatentChip } from '../../../src/api/index.ts'
import { atStrength, leadOf } from '../../../src/steer/strengths.ts'
import { workspaceQuery } from '../api/queries.ts'
import { latentName } from '../format/names.ts'
import {
  canSweep,
  type Doses,
  dosesOf,
  type SteerForm,
  settingsOf,
  sweepOf,
  sweptPrompt,
} from '../state/steerForm.ts'
import { useSteering } from '../state/steering.ts'
import { useSweep } from '../state/sweeping.ts'
import { InterventionRow } from './InterventionRow.tsx'
import { LabelText } from './LatentLink.tsx'
import { LatentPicker } from './LatentPicker.tsx'
import { SteerBaseline } from './SteerBaseline.tsx'
import { SteerSweep } from './SteerSweep.tsx'
import { SteerTexts } from './SteerTexts.tsx'

/** The panel. `compact` is the dock's form: one text, no baseline, no chat, no sweep. */
export function SteerPanel(props: {
  form: SteerForm
  onForm: (form: SteerForm) => void
  compact?: boolean
  /** Latents to begin with, offered beside the search. */
  offered?: readonly LatentChip[]
  children?: ReactNode
}) {
  const { form, onForm, compact = false } = props
  const { run, write, talk, stop, clear } = useSteering()
  const { sweep, start: startSweep, stop: stopSweep } = useSweep()
  const change = (part: Partial<SteerForm>) => onForm({ ...form, ...part })
  const said = form.prompt.trim() === '' ? form.turns : [...form.turns, form.prompt]
  const ready = form.interventions.length > 0 && (!form.chat || said.length > 0)
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (!ready) return
    if (!form.chat) return write(form.prompt, settingsOf(form))
    talk(said, settingsOf(form))
    change({ turns: said, prompt: '' })
  }
  const lead = canSweep(form) ? form.interventions[leadOf(form.interventions)] : undefined
  return (
    <form className={compact ? 'steer compact' : 'steer'} onSubmit={submit}>
      <div className="steer-controls">
        <label className="prompt">
          <span className="field-name">{form.chat ? 'You say' : 'Prompt'}</span>
          <textarea
            rows={compact ? 1 : 2}
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
        <Interventions
          items={form.interventions}
          chat={form.chat}
          compact={compact}
          offered={props.offered ?? []}
          onItems={(interventions) => change({ interventions })}
        />
        {!compact && (
          <div className="steer-beside">
            <SteerBaseline
              instruction={form.instruction}
              first={form.interventions[0]}
              onInstruction={(instruction) => change({ instruction })}
            />
            <ChatChoice
              chat={form.chat}
              onChat={(chat) => {
                clear()
                change({ chat, turns: [] })
              }}
            />
          </div>
        )}
        <div className="steer-run">
          <NumberField
            name="seed"
            value={form.seed}
            {...{ min: 0, max: 2 ** 31 - 1, step: 1 }}
            onValue={(seed) => change({ seed })}
          />
          <NumberField
            name="temperature"
            value={form.temperature}
            {...{ min: 0, max: 5, step: 0.1 }}
            onValue={(temperature) => change({ temperature })}
          />
          <NumberField
            name="tokens"
            value={form.tokens}
            {...{ min: 1, max: 2048, step: 1 }}
            onValue={(tokens) => change({ tokens })}
          />
          {run.state === 'running' ? (
            <button type="button" className="primary" onClick={stop}>
              Stop
            </button>
          ) : (
            <button type="submit" className="primary" disabled={!ready}>
              {form.chat && form.prompt.trim() === '' && said.length > 0 ? 'Replay' : 'Steer'}
            </button>
          )}
          {form.chat && form.turns.length > 0 && (
            <button
              type="button"
              onClick={() => {
                clear()
                change({ turns: [] })
              }}
            >
              New chat
            </button>
          )}
          {props.children}
        </div>
      </div>
      <SteerTexts
        run={run}
        prompt={form.prompt}
        chat={form.chat}
        prompted={!compact && form.instruction !== undefined}
      />
      {!compact && (
        <div className="sweep-run">
          <label className="number-field">
            <span className="field-name">strengths</span>
            <select
              value={dosesOf(form)}
              onChange={(e) => change({ doses: e.target.value as Doses })}
            >
              <option value="up">0 to 4</option>
              <option value="down">−4 to 0</option>
              <option value="both">−4 to 4</option>
            </select>
          </label>
          <NumberField
            name="samples"
            value={form.samples}
            {...{ min: 2, max: 32, step: 1 }}
            onValue={(samples) => change({ samples })}
          />
          {sweep.state === 'running' ? (
            <button type="button" onClick={stopSweep}>
              Stop the sweep
            </button>
          ) : (
            <button
              type="button"
              disabled={!lead || (form.chat && sweptPrompt(form).trim() === '')}
              onClick={() => startSweep(sweepOf(form))}
            >
              Sweep strengths
            </button>
          )}
          <p className="quiet">
            {form.interventions.length > 0 && !lead
              ? 'An ablation has no strength to sweep.'
              : 'What each strength does to several texts, and which are useful.'}
          </p>
        </div>
      )}
      {!compact && (
        <SteerSweep
          sweep={sweep}
          strength={lead?.strength}
          onStrength={(strength) =>
            lead && change({ interventions: atStrength(form.interventions, strength) })
          }
        />
      )}
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

function Interventions(props: {
  items: readonly Intervention[]
  chat: boolean
  compact: boolean
  offered: readonly LatentChip[]
  onItems: (items: readonly Intervention[]) => void
}) {
  const { items, onItems } = props
  return (
    <fieldset className="interventions">
      <legend className="field-name">Change</legend>
      {items.map((item, i) => (
        <InterventionRow
          key={`${item.sae}/${item.latent}`}
          item={item}
          chat={props.chat}
          onChange={(next) => onItems(items.map((old, j) => (j === i ? next : old)))}
          onRemove={() => onItems(items.filter((_, j) => j !== i))}
        />
      ))}
      {!props.compact && items.length < 16 && (
        <LatentPicker taken={items} onPick={(chip) => onItems([...items, added(chip)])} />
      )}
      <Offered latents={props.offered} taken={items} onTake={(chip) => onItems([added(chip)])} />
    </fieldset>
  )
}

/** Whether the prompt is answered as in a chat; of a model that cannot, it says so. */
function ChatChoice(props: { chat: boolean; onChat: (chat: boolean) => void }) {
  const { data: workspace } = useQuery(workspaceQuery)
  const model = workspace?.model
  // With several suites it may not be the model of what is steered; the server then says what it cannot.
  if (model && !model.chat && workspace.suites.length === 1 && !props.chat)
    return (
      <p className="quiet">
        {model.name} has no chat template: it goes on from a prompt, and does not answer one.
      </p>
    )
  return (
    <label className="check">
      <input
        type="checkbox"
        checked={props.chat}
        onChange={(e) => props.onChat(e.target.checked)}
      />{' '}
      Chat: each side answers, and remembers what it said itself
    </label>
  )
}

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
