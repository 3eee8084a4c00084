/** Labels, densities and maxima for latents that are shown somewhere. */
import type { LatentChip } from '../api/index.ts'
import { chipsOf, type Database } from '../store/index.ts'

/** Completes latents with what the database knows of them; what they bring along wins. Order is kept. */
export async function labelledChips<C extends LatentChip>(
  db: Database,
  chips: readonly C[],
): Promise<C[]> {
  const key = ({ sae, index }: LatentChip) => `${sae} ${index}`
  const asked = new Map(chips.map((chip) => [key(chip), chip]))
  const known = new Map<string, LatentChip>()
  for (const chip of await chipsOf(db, [...asked.values()])) known.set(key(chip), chip)
  return chips.map((chip) => ({ ...known.get(key(chip)), ...chip }))
}
