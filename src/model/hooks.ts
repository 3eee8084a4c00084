/** Hook names: TransformerLens's grammar, as a type that a wrong name does not pass. */

/** Hook sites inside one block, in the order in which the forward pass reaches them. */
export const BLOCK_HOOKS = [
  'hook_resid_pre',
  'attn.hook_z',
  'hook_attn_out',
  'hook_resid_mid',
  'hook_mlp_out',
  'hook_resid_post',
] as const

export type BlockHook = (typeof BLOCK_HOOKS)[number]

/** A place in the forward pass where activations can be read. */
export type HookName = 'hook_embed' | `blocks.${number}.${BlockHook}` | 'ln_final.hook_normalized'
