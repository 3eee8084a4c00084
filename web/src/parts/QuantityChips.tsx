/** Which quantities of a training are drawn, as a row of chips. */
import { quantities } from '../plot/quantities.ts'
import type { Quantity } from '../plot/quantityNames.ts'

/** Chips for every quantity that tells something, and one for all of them. */
export function QuantityChips(props: {
  readonly of: readonly Quantity[]
  readonly shown: Quantity | 'all'
  readonly onShow: (shown: Quantity | 'all') => void
}) {
  return (
    <fieldset className="chips">
      <legend className="hidden">What is drawn</legend>
      {(['all', ...props.of] as const).map((name) => (
        <label key={name}>
          <input
            type="radio"
            name="shown"
            checked={props.shown === name}
            onChange={() => props.onShow(name)}
          />
          <span>{name === 'all' ? 'all' : quantities[name].name}</span>
        </label>
      ))}
    </fieldset>
  )
}
