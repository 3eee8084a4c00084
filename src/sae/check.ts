/** Whether an SAE and a model belong together, as far as shapes tell. */

import { BLOCK_HOOKS, type HookName, type Model } from '../model/index.ts'
import type { Sae } from './types.ts'

const OUTER_HOOKS = ['hook_embed', 'ln_final.hook_normalized'] as const satisfies HookName[]

/**
 * Refuses an SAE whose site the model does not have, or has with another width.
 * @throws TypeError for a missing site, RangeError for another width.
 */
export function checkFits(sae: Sae, model: Pick<Model, 'name' | 'hooks' | 'width'>): void {
  const { hook_name, d_in } = sae
  if (!model.hooks.includes(hook_name)) {
    throw new TypeError(
      `The SAE reads ${hook_name}, which model ${model.name} does not have (${model.hooks.length} sites, the last ` +
        `${model.hooks.at(-1)}). Was it trained on another model${trainedOn(sae)}?`,
    )
  }
  const width = model.width(hook_name)
  if (width !== d_in) {
    throw new RangeError(
      `The SAE at ${hook_name} has d_in ${d_in}, but model ${model.name} has width ${width} there. ` +
        `Was it trained on another model${trainedOn(sae)}?`,
    )
  }
}

/**
 * Refuses arrays that do not have the sizes an SAE of these widths needs.
 * @throws RangeError naming the first array of another size or with a number that is not finite.
 */
export function checkShapes(sae: Sae, where: string): void {
  const { d_in, d_sae } = sae
  const sizes: Record<'W_enc' | 'b_enc' | 'W_dec' | 'b_dec' | 'threshold', readonly number[]> = {
    W_enc: [d_in, d_sae],
    b_enc: [d_sae],
    W_dec: [d_sae, d_in],
    b_dec: [d_in],
    threshold: [d_sae],
  }
  for (const [name, shape] of Object.entries(sizes) as [keyof typeof sizes, readonly number[]][]) {
    const expected = shape.reduce((product, size) => product * size, 1)
    if (sae[name].length !== expected) {
      throw new RangeError(
        `${where}: ${name} has ${sae[name].length} numbers, expected [${shape.join(', ')}] for d_in ${d_in}, d_sae ${d_sae}.`,
      )
    }
    const bad = sae[name].findIndex((number) => !Number.isFinite(number))
    if (bad >= 0) {
      throw new RangeError(
        `${where}: ${name}[${bad}] is ${sae[name][bad]}, expected finite numbers. The training diverged or the file is damaged.`,
      )
    }
  }
}

/**
 * A text as the name of a hook site.
 * @param where for messages.
 * @throws TypeError if Hooke knows no such site.
 */
export function parseHookName(text: unknown, where: string): HookName {
  if (typeof text === 'string') {
    const site = /^blocks\.(?:0|[1-9]\d*)\.(.+)$/.exec(text)?.[1]
    const known = site === undefined ? OUTER_HOOKS : BLOCK_HOOKS
    if ((known as readonly string[]).includes(site ?? text)) return text as HookName
  }
  throw new TypeError(
    `${where}: hook_name is ${JSON.stringify(text)}, expected a site such as blocks.3.hook_resid_post, ` +
      'blocks.3.attn.hook_z or blocks.3.hook_mlp_out.',
  )
}

function trainedOn(sae: Sae): string {
  const name = sae.metadata.model_name
  return typeof name === 'string' ? ` (its metadata names ${name})` : ''
}
