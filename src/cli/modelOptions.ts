/** How a command opens its model: threads, precision of the weights, memory. */
import { type Command, Option } from 'commander'
import type { BackendChoice, ModelMemory, OpenModelOptions, Precision } from '../model/index.ts'
import { byteSize, wholeNumber } from './options.ts'
import { renderBytes } from './terminal.ts'

export type ModelFlags = {
  threads: number
  weights?: Precision
  memory?: number
  backend: BackendChoice
}

/** Typed so that a precision that is added or dropped shows here; the model's code loads only when a command runs. */
const WEIGHTS: { readonly [Name in Precision]: string } = {
  f32: 'float32',
  i16: '16-bit integers, faster than float32 on processors with AMX',
  bf16: "the checkpoint's own 16 bits",
  q8: '8-bit blocks',
  q4: '4-bit blocks',
}

const BACKENDS: { readonly [Name in BackendChoice]: string } = {
  cpu: 'the CPU',
  webgpu: 'a GPU through Vulkan, Metal or Direct3D',
  cuda: 'an NVIDIA GPU with CUDA installed',
  auto: 'a GPU that agrees with the CPU, if there is one',
}

const renderChoices = (choices: Readonly<Record<string, string>>): string =>
  Object.entries(choices)
    .map(([name, meaning]) => `${name}: ${meaning}`)
    .join('; ')

/** @param usual what the weights are where it is not given. */
export const weightsOption = (usual: string): Option =>
  new Option(
    '--weights <precision>',
    `how the model's weights lie in memory (${renderChoices(WEIGHTS)}; default ${usual})`,
  ).choices(Object.keys(WEIGHTS))

export function addModelOptions(command: Command): Command {
  return command
    .option('--threads <n>', 'threads (0: one a core)', wholeNumber(0), 0)
    .addOption(weightsOption('f32, or what --memory allows without changing the numbers'))
    .option(
      '--memory <size>',
      'most memory the model may take, e.g. 4GB; one that does not fit is read block by block at every pass',
      byteSize,
    )
    .addOption(
      new Option('--backend <where>', `where the model runs (${renderChoices(BACKENDS)})`)
        .choices(Object.keys(BACKENDS))
        .default('cpu'),
    )
}

export function modelOptionsOf({
  threads,
  weights,
  memory,
  backend,
}: ModelFlags): OpenModelOptions {
  return {
    threads,
    backend,
    ...(weights === undefined ? {} : { weights }),
    ...(memory === undefined ? {} : { memory_bytes: memory }),
  }
}

/** What a budget led to, in a sentence; nothing where the model is as it always is. */
export function renderMemory(name: string, memory: ModelMemory): string | undefined {
  const { budget_bytes, isStreamed, weights, weights_bytes, working_bytes } = memory
  if (budget_bytes === undefined) return undefined
  const allowed = renderBytes(budget_bytes)
  return isStreamed
    ? `${name} does not fit ${allowed}: its blocks are read one by one at every pass, which takes ${renderBytes(working_bytes)}`
    : `${name} in ${renderBytes(weights_bytes)} (${WEIGHTS[weights]}), with passes in ${renderBytes(working_bytes)}, of ${allowed} allowed`
}
