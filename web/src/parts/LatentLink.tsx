/** A latent wherever it is named: its place, its label, and how to steer with it. */
import { Link } from '@tanstack/react-router'
import type { LatentChip } from '../../../src/api/index.ts'
import { latentKey, latentName } from '../format/names.ts'
import { formatInterventions } from '../state/urlState.ts'

/** The label, or that there is none yet; how it was made is told by the type: italic for machines' labels; a disputed one says so. */
export function LabelText(props: {
  chip: Pick<LatentChip, 'label' | 'label_method' | 'label_disputed'> | undefined
}) {
  const { chip } = props
  if (!chip?.label) return <span className="label unlabelled">no label yet</span>
  const classes = `label by-${chip.label_method ?? 'lexical'}`
  if (!chip.label_disputed) return <bdi className={classes}>{chip.label}</bdi>
  return (
    <bdi className={`${classes} disputed`}>
      {chip.label} <span className="disputed-mark">disputed</span>
    </bdi>
  )
}

/** Place and label as one link to the latent's page. */
export function LatentLink(props: { chip: LatentChip }) {
  const { chip } = props
  return (
    <Link
      to="/latent/$sae/$index"
      params={{ sae: chip.sae, index: String(chip.index) }}
      className="latent-link"
    >
      <span className="place">{latentName(chip.hook, chip.index)}</span>
      <LabelText chip={chip} />
    </Link>
  )
}

/** Opens the steering dock with this latent added at its own maximum. */
export function SteerLink(props: { sae: string; index: number }) {
  const { sae, index } = props
  const dock = formatInterventions([{ sae, latent: index, mode: 'add', strength: 1 }])
  return (
    <Link
      to="."
      className="action"
      search={(old: Record<string, unknown>) => ({ ...old, dock })}
      replace
      resetScroll={false}
      aria-label={`Steer with latent ${index}`}
    >
      steer
    </Link>
  )
}

/** Searches for latents whose direction is like this one's. */
export function LikeLink(props: { sae: string; index: number }) {
  return (
    <Link
      to="/search"
      className="action"
      search={{ kind: 'vector', like: latentKey(props.sae, props.index) }}
      aria-label={`Latents like latent ${props.index}`}
    >
      like
    </Link>
  )
}
