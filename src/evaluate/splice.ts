/** Splicing: a reconstruction takes the activation's place in the forward pass. */

import type { HookEdit, HookName } from '../model/index.ts'

/**
 * An edit that replaces rows of a site's activations. Rows not named, as those of BOS and padding, are left alone.
 * @param at [n] positions `row * seq_len + column` in the batch.
 * @param values [n, d] what to put there.
 */
export function spliceEdit(hook: HookName, at: Int32Array, values: Float32Array): HookEdit {
  return {
    hook,
    apply({ data, d }) {
      if (values.length !== at.length * d) {
        throw new RangeError(
          `spliceEdit: ${values.length} values for ${at.length} rows at ${hook}, expected ${at.length * d} (width ${d}).`,
        )
      }
      for (let row = 0; row < at.length; row++) {
        data.set(values.subarray(row * d, (row + 1) * d), at[row]! * d)
      }
    },
  }
}

/** The last residual stream at or before a site that a pass can begin at, `undefined` outside of blocks. */
export function streamBefore(site: HookName): HookName | undefined {
  const [, layer] = /^blocks\.(\d+)\./.exec(site) ?? []
  if (layer === undefined) return undefined
  if (site.endsWith('.hook_resid_post')) return site
  return `blocks.${Number(layer)}.hook_resid_pre`
}
