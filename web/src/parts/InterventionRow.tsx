/** One latent that is being changed: how, and how strongly, in units of its own maximum. */
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { Intervention } from '../../../src/api/index.ts'
import { latentQuery } from '../api/queries.ts'
import { latentName, saeName } from '../format/names.ts'
import { fixed, short } from '../format/numbers.ts'
import { LabelText } from './LatentLink.tsx'

const modes = {
  add: 'add',
  scale: 'scale',
  clamp: 'clamp to',
  ablate: 'ablate',
} as const satisfies Record<Intervention['mode'], string>

type Positions = NonNullable<Intervention['positions']>
const places = {
  all: 'on all tokens',
  prompt: 'on the prompt',
  answer: 'on the answer',
} as const satisfies Record<Positions, string>
const chatPlaces = {
  all: 'on all that is said',
  prompt: 'on what you say',
  answer: 'on what the model says',
} as const satisfies Record<Positions, string>

const ranges = {
  add: { min: -8, max: 8 },
  clamp: { min: -8, max: 8 },
  scale: { min: -4, max: 12 },
  ablate: { min: 0, max: 0 },
} as const

/** The row: latent, mode, slider, number, what the number means. */
export function InterventionRow(props: {
  item: Intervention
  chat: boolean
  onChange: (next: Intervention) => void
  onRemove: () => void
}) {
  const { item, onChange } = props
  const { data: latent, error } = useQuery(latentQuery(item.sae, item.latent))
  const range = ranges[item.mode]
  const setStrength = (x: number) => {
    if (Number.isFinite(x)) onChange({ ...item, strength: Math.min(100, Math.max(-100, x)) })
  }
  return (
    <div className="intervention">
      <Link
        to="/latent/$sae/$index"
        params={{ sae: item.sae, index: String(item.latent) }}
        className="latent-link"
      >
        <span className="place">{latentName(saeName(item.sae).hook, item.latent)}</span>
        {latent ? (
          <LabelText chip={latent} />
        ) : (
          <span className="label quiet">{error?.message}</span>
        )}
      </Link>
      <select
        aria-label="Mode"
        value={item.mode}
        onChange={(e) => onChange({ ...item, mode: e.target.value as Intervention['mode'] })}
      >
        {Object.entries(modes).map(([mode, words]) => (
          <option key={mode} value={mode}>
            {words}
          </option>
        ))}
      </select>
      <input
        type="range"
        aria-label="Strength"
        aria-valuetext={strengthWords(item, latent?.max_act)}
        min={range.min}
        max={range.max}
        step={0.25}
        disabled={item.mode === 'ablate'}
        value={Math.min(range.max, Math.max(range.min, item.strength))}
        onChange={(e) => setStrength(e.target.valueAsNumber)}
      />
      <input
        type="number"
        aria-label="Strength as a number"
        min={-100}
        max={100}
        step={0.25}
        disabled={item.mode === 'ablate'}
        value={item.strength}
        onChange={(e) => setStrength(e.target.valueAsNumber)}
      />
      <span className="strength-words quiet">{strengthWords(item, latent?.max_act)}</span>
      <button
        type="button"
        className="action remove"
        aria-label={`Remove latent ${item.latent}`}
        onClick={props.onRemove}
      >
        remove
      </button>
      <div className="where">
        <select
          aria-label="Tokens that change"
          value={item.positions ?? 'all'}
          onChange={(e) => {
            const positions = e.target.value as Positions
            onChange({ ...item, positions: positions === 'all' ? undefined : positions })
          }}
        >
          {Object.entries(props.chat ? chatPlaces : places).map(([positions, words]) => (
            <option key={positions} value={positions}>
              {words}
            </option>
          ))}
        </select>
        {(item.mode === 'add' || item.mode === 'clamp') && (
          <label className="check">
            <input
              type="checkbox"
              checked={item.conditional === true}
              onChange={(e) => onChange({ ...item, conditional: e.target.checked || undefined })}
            />{' '}
            only where it fires
          </label>
        )}
        {props.chat && (
          <label className="check">
            <input
              type="checkbox"
              checked={item.frame === true}
              onChange={(e) => onChange({ ...item, frame: e.target.checked || undefined })}
            />{' '}
            the template’s own tokens too
          </label>
        )}
      </div>
    </div>
  )
}

/** What a strength comes to: "× its maximum, +35.1", "times what it is", "to nothing". */
function strengthWords(item: Intervention, max_act: number | undefined): string {
  switch (item.mode) {
    case 'add': {
      const amount =
        max_act === undefined
          ? ''
          : `, ${item.strength < 0 ? '' : '+'}${short(item.strength * max_act)}`
      return `× its maximum${amount}`
    }
    case 'clamp':
      return `× its maximum${max_act === undefined ? '' : `, ${short(item.strength * max_act)}`}`
    case 'scale':
      return `${fixed(item.strength, 2)} times what it is`
    case 'ablate':
      return 'taken out wherever it fires'
    default:
      return item.mode satisfies never
  }
}
