/** What steering is compared with: the same model, told in words what to write about. */
import { useQuery } from '@tanstack/react-query'
import type { Intervention } from '../../../src/api/index.ts'
import { latentQuery } from '../api/queries.ts'

/** The choice, and the instruction to edit; it begins with the label of the first latent. */
export function SteerBaseline(props: {
  instruction: string | undefined
  first: Intervention | undefined
  onInstruction: (instruction: string | undefined) => void
}) {
  const { instruction, first, onInstruction } = props
  const { data: latent } = useQuery({
    ...latentQuery(first?.sae ?? '', first?.latent ?? 0),
    enabled: first !== undefined,
  })
  const offered = latent?.label === undefined ? '' : `A text about ${latent.label}.`
  return (
    <div className="baseline">
      <label className="check">
        <input
          type="checkbox"
          checked={instruction !== undefined}
          onChange={(e) => onInstruction(e.target.checked ? offered : undefined)}
        />{' '}
        Beside it, an instruction in front of the prompt, and no latent changed
      </label>
      {instruction !== undefined && (
        <input
          type="text"
          aria-label="Instruction"
          placeholder="what the model is told to write, such as: A text about the sea."
          value={instruction}
          maxLength={2000}
          onChange={(e) => onInstruction(e.target.value)}
        />
      )}
    </div>
  )
}
