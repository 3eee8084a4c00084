/** Latents to change, as `hooke steer` names them, opened with the units of their strengths. */
import { join } from 'node:path'
import type { Intervention, InterventionMode, InterventionPositions } from '../steer/index.ts'
import { CliError } from './errors.ts'
import { parseLatent, suiteEntries } from './workspace.ts'

export const MODES = ['add', 'scale', 'clamp', 'ablate'] as const satisfies InterventionMode[]

/** What holds for every latent that does not say otherwise. */
export type InterventionFlags = {
  readonly mode: InterventionMode
  readonly strength: number
  readonly positions: InterventionPositions
  readonly conditional?: boolean
  readonly frame?: boolean
}

/**
 * `HOOK/INDEX`, `HOOK/INDEX:MODE` or `HOOK/INDEX:MODE:STRENGTH` of a suite's SAEs.
 * @throws CliError if a latent is none, or its SAE is not indexed and the unit of its strength is needed.
 */
export async function openInterventions(
  suite: string,
  latents: readonly string[],
  { mode: usual_mode, strength: usual_strength, ...where }: InterventionFlags,
): Promise<Intervention[]> {
  const { loadSae } = await import('../sae/disk.ts')
  const entries = await suiteEntries(suite)
  const interventions: Intervention[] = []
  for (const text of latents) {
    const { name, mode = usual_mode, strength = usual_strength } = parseOwn(text)
    const { entry, latent } = parseLatent(name, entries)
    // Scaling and ablating need no unit, so a suite need not be indexed for them.
    const needs_unit = mode === 'add' || mode === 'clamp'
    const max_act = needs_unit ? await maxAct(entry.path, latent) : 0
    const sae = await loadSae(entry.path)
    const { positions, conditional = false, frame = false } = where
    interventions.push({ sae, latent, mode, strength, max_act, positions, conditional, frame })
  }
  return interventions
}

/** Interventions as JSON names them. */
export const plainInterventions = (interventions: readonly Intervention[]): object[] =>
  interventions.map(({ sae, max_act, ...rest }) => ({
    hook: sae.hook_name,
    ...rest,
    ...(max_act > 0 ? { max_act } : {}),
  }))

function parseOwn(text: string): { name: string; mode?: InterventionMode; strength?: number } {
  const [name = '', asked, number, ...more] = text.split(':')
  if (asked === undefined) return { name }
  const mode = MODES.find((known) => known === asked)
  const strength = number === undefined || number.trim() === '' ? undefined : Number(number)
  const is_known = mode !== undefined && more.length === 0
  if (!is_known || (number !== undefined && !(Math.abs(strength ?? Number.NaN) <= 100)))
    throw new CliError(
      `--latent is ${text}, expected HOOK/INDEX, HOOK/INDEX:MODE or HOOK/INDEX:MODE:STRENGTH with a mode of ${MODES.join(', ')} and a strength from -100 to 100.`,
    )
  return { name, mode, ...(strength === undefined ? {} : { strength }) }
}

/** A latent's largest activation: the unit of strength. @throws CliError if its SAE is not indexed. */
async function maxAct(folder: string, latent: number): Promise<number> {
  const { LATENTS_FILE, openLatents } = await import('../latents/disk.ts')
  const { pathExists } = await import('../files/index.ts')
  if (!(await pathExists(join(folder, LATENTS_FILE))))
    throw new CliError(
      `steer: ${folder} is not indexed, so the unit of --strength is not known. Run hooke index first, or use --mode scale or ablate.`,
    )
  const latents = await openLatents(folder)
  try {
    return (await latents.column('max_act'))[latent]!
  } finally {
    await latents.close()
  }
}
