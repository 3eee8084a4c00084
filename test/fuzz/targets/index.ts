/** Every target by name. */

import type { Target } from '../target.ts'
import { chat } from './chat.ts'
import { config } from './config.ts'
import { data } from './data.ts'
import { npy } from './npy.ts'
import { npz } from './npz.ts'
import { pickle } from './pickle.ts'
import { sae } from './sae.ts'
import { safetensors } from './safetensors.ts'
import { tokenizer } from './tokenizer.ts'
import { zip } from './zip.ts'

export const TARGETS: readonly Target[] = [
  safetensors,
  npy,
  npz,
  zip,
  pickle,
  tokenizer,
  chat,
  config,
  sae,
  data,
]
