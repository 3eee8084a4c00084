/** Whether an SAE and a model belong together, as far as shapes tell. */

import { quote } from '../formats/index.ts'
import { BLOCK_HOOKS, type HookName, type Model } from '../model/index.ts'
import { outputSite, WEIGHT_NAMES, weightOf, weightShapes } from './shapes.ts'
import type { Sae } from './types.ts'

const OUTER_HOOKS = ['hook_embed', 'ln_final.hook_normalized'] as const satisfies HookName[]

/**
 * Refuses an SAE whose sites the model does not have, or has with other widths.
 * @throws TypeError for a missing site, RangeError for another width.
 */
export function checkFits(sae: Sae, model: Pick<Model, 'name' | 'hooks' | 'width'>): void {
  checkSite(sae, model, 'reads', 'd_in', { hook: sae.hook_name, d: sae.d_in })
  if (sae.transcoder !== undefined) checkSite(sae, model, 'writes', 'd_out', outputSite(sae))
}

/**
 * Refuses arrays that do not have the sizes an SAE of these widths needs, and a `k` that its architecture cannot have.
 * @throws RangeError naming the first array of another size or with a number that is not finite.
 */
export function checkShapes(sae: Sae, where: string): void {
  const { architecture, d_in, d_sae, k } = sae
  const { d: d_out } = outputSite(sae)
  const isCount = Number.isSafeInteger(k) && k! >= 1 && k! <= d_sae
  if (architecture === 'topk' ? !isCount : k !== undefined) {
    const expected = architecture === 'topk' ? `an integer from 1 to d_sae ${d_sae}` : 'none'
    throw new RangeError(
      `${where}: k is ${k}, expected ${expected} for architecture ${architecture}.`,
    )
  }
  const shapes = weightShapes(d_in, d_sae, d_out)
  for (const name of WEIGHT_NAMES) {
    const shape = shapes[name]
    const numbers = weightOf(sae, name)
    if (numbers === undefined) continue
    const expected = shape.reduce((product, size) => product * size, 1)
    if (numbers.length !== expected) {
      throw new RangeError(
        `${where}: ${name} has ${numbers.length} numbers, expected [${shape.join(', ')}] for d_in ${d_in}, d_sae ${d_sae}, d_out ${d_out}.`,
      )
    }
    const bad = numbers.findIndex((number) => !Number.isFinite(number))
    if (bad >= 0) {
      throw new RangeError(
        `${where}: ${name}[${bad}] is ${numbers[bad]}, expected finite numbers. The training diverged or the file is damaged.`,
      )
    }
  }
  const threshold = architecture === 'topk' ? sae.threshold.find((theta) => theta !== 0) : undefined
  if (threshold !== undefined) {
    throw new RangeError(
      `${where}: threshold holds ${threshold}, expected zeros: topk chooses by rank, so a threshold would be left unused.`,
    )
  }
}

/**
 * A text as the name of a hook site.
 * @param where for messages, as is `field`.
 * @throws TypeError if Hooke knows no such site.
 */
export function parseHookName(text: unknown, where: string, field = 'hook_name'): HookName {
  if (typeof text === 'string') {
    const site = /^blocks\.(?:0|[1-9]\d*)\.(.+)$/.exec(text)?.[1]
    const known = site === undefined ? OUTER_HOOKS : BLOCK_HOOKS
    if ((known as readonly string[]).includes(site ?? text)) return text as HookName
  }
  throw new TypeError(
    `${where}: ${field} is ${quote(text)}, expected a site such as blocks.3.hook_resid_post, ` +
      'blocks.3.attn.hook_z or blocks.3.hook_mlp_out.',
  )
}

function checkSite(
  sae: Sae,
  model: Pick<Model, 'name' | 'hooks' | 'width'>,
  verb: 'reads' | 'writes',
  size: 'd_in' | 'd_out',
  { hook, d }: { readonly hook: HookName; readonly d: number },
): void {
  if (!model.hooks.includes(hook)) {
    throw new TypeError(
      `The SAE ${verb} ${hook}, which model ${model.name} does not have (${model.hooks.length} sites, the last ` +
        `${model.hooks.at(-1)}). Was it trained on another model${trainedOn(sae)}?`,
    )
  }
  const width = model.width(hook)
  if (width !== d) {
    throw new RangeError(
      `The SAE at ${hook} has ${size} ${d}, but model ${model.name} has width ${width} there. ` +
        `Was it trained on another model${trainedOn(sae)}?`,
    )
  }
}

function trainedOn(sae: Sae): string {
  const name = sae.metadata.model_name
  return typeof name === 'string' ? ` (its metadata names ${name})` : ''
}
