/** Ids that frame texts and are never part of one. */

import type { ModelConfig } from './types.ts'

/** BOS, EOS and padding, as config.json has them. */
export function controlIds({
  bos_token_id,
  eos_token_ids,
  pad_token_id,
}: ModelConfig): Set<number> {
  const bos = bos_token_id === undefined ? [] : [bos_token_id]
  return new Set([...bos, pad_token_id, ...eos_token_ids])
}
