/**
 * Checkpoints: one safetensors file a step, written atomically, the last two kept. A file holds every tensor of the
 * engine and, as metadata, the step (which is also the position in the data), the configuration, and the measurements
 * since the last point; the learning rate and sparsity schedules are functions of step and configuration.
 */
import { join } from 'node:path'
import { listFolder, openFile, removePath, writeFileAtomic } from '../files/index.ts'
import {
  FormatError,
  fromFloat32,
  parseSafetensors,
  streamSafetensors,
  type TensorStream,
  toFloat32,
  toInt32,
} from '../formats/index.ts'
import type { RunPlan, SaePlan } from './control.ts'
import type { Failures } from './failures.ts'
import type { Followed } from './schedules.ts'
import {
  type BiasState,
  type EngineState,
  type ScalarState,
  type ShardArrayName,
  type ShardState,
  shardSizes,
} from './state.ts'

/** Everything that decides the result of a run, as plain JSON. */
export type RunConfig = Readonly<Record<string, unknown>>

/** What a run carries along beside the engine. */
export type Carried = {
  /** Coefficient of the sparsity loss per SAE, where it follows L0. */
  readonly followed: readonly Followed[]
  /** SAEs that have stopped alone, by their place in the run. */
  readonly failures: Failures
  /** Sums of measurements since the last point, one per SAE. */
  readonly window: readonly Readonly<Record<string, number>>[]
}

export type Checkpoint = Carried & {
  readonly path: string
  /** Steps taken. */
  readonly step: number
}

/** An open checkpoint, or what is left of one SAE: tensors are read when asked for. */
export type StateFile = EngineState & { close(): Promise<void> }

const KEPT = 2
const NAME = /^step_(\d+)\.safetensors$/

/** Folder of a suite's checkpoints. */
export const checkpointFolder = (out: string): string => join(out, 'checkpoint')

/**
 * Writes a checkpoint and removes all but the newest two.
 * @returns its path.
 * @throws FileError if the disk refuses; older checkpoints then stay.
 */
export async function writeCheckpoint(
  out: string,
  {
    step,
    config,
    plan,
    state,
  }: { step: number; config: RunConfig; plan: RunPlan; state: EngineState },
  carried: Carried,
): Promise<string> {
  const path = join(checkpointFolder(out), `step_${String(step).padStart(9, '0')}.safetensors`)
  const metadata = {
    step: String(step),
    config: JSON.stringify(config),
    run: JSON.stringify(carried),
    scalars: JSON.stringify(state.scalars),
  }
  await writeFileAtomic(path, streamSafetensors(streamsOf(plan.saes, state), metadata))
  for (const old of (await checkpointPaths(out)).slice(0, -KEPT)) await removePath(old)
  return path
}

/**
 * The newest checkpoint of a suite, `undefined` where there is none.
 * @throws RangeError if it was made with another configuration, naming what differs; FormatError if it cannot be read.
 */
export async function readCheckpoint(
  out: string,
  config: RunConfig,
): Promise<Checkpoint | undefined> {
  const path = (await checkpointPaths(out)).at(-1)
  if (path === undefined) return undefined
  const source = await openFile(path)
  try {
    const { step, config: made, run } = (await parseSafetensors(source)).metadata
    if (step === undefined || made === undefined || run === undefined)
      throw new FormatError(path, 'lacks step, config or run: it is no checkpoint; remove it')
    const differences = differingFields(JSON.parse(made), JSON.parse(JSON.stringify(config)))
    if (differences.length > 0) {
      throw new RangeError(
        `train: ${path} was made with another configuration: ${differences.join('; ')}. ` +
          `Ask for the same again, remove ${checkpointFolder(out)}, or choose another folder`,
      )
    }
    return { path, step: Number(step), ...(JSON.parse(run) as Carried) }
  } finally {
    await source.close()
  }
}

/** Opens the state that a checkpoint holds. */
export async function openState(path: string, saes: readonly SaePlan[]): Promise<StateFile> {
  const source = await openFile(path)
  try {
    const file = await parseSafetensors(source)
    const { scalars } = file.metadata
    if (scalars === undefined) throw new FormatError(path, 'lacks scalars: it is no checkpoint')
    const biases: BiasState[] = []
    for (const sae of saes.keys())
      biases.push({
        b_dec: toFloat32(await file.read(`sae.${sae}.b_dec`)),
        v_b_dec: toFloat32(await file.read(`sae.${sae}.v_b_dec`)),
      })
    return {
      biases,
      scalars: JSON.parse(scalars) as ScalarState[],
      async shard(sae, shard) {
        const state: ShardState = {}
        for (const [name] of shardSizes(saes[sae]!, shard)) {
          const tensor = await file.read(tensorName(sae, shard, name))
          state[name] = tensor.dtype === 'I32' ? toInt32(tensor) : toFloat32(tensor)
        }
        return state
      },
      close: () => source.close(),
    }
  } catch (error) {
    await source.close()
    throw error
  }
}

/** Writes one SAE's part of a checkpoint to a file of its own, there the only one. */
export async function extractState(
  path: string,
  { checkpoint, plan, sae }: { checkpoint: Checkpoint; plan: RunPlan; sae: number },
): Promise<void> {
  const state = await openState(checkpoint.path, plan.saes)
  try {
    const only: EngineState = {
      biases: [state.biases[sae]!],
      scalars: [state.scalars[sae]!],
      shard: (_, shard) => state.shard(sae, shard),
    }
    const metadata = { step: String(checkpoint.step), scalars: JSON.stringify(only.scalars) }
    await writeFileAtomic(path, streamSafetensors(streamsOf([plan.saes[sae]!], only), metadata))
  } finally {
    await state.close()
  }
}

/** Removes the checkpoints of a suite that is done. */
export async function removeCheckpoints(out: string): Promise<void> {
  await removePath(checkpointFolder(out))
}

/** Paths, oldest first. */
async function checkpointPaths(out: string): Promise<string[]> {
  const { files } = await listFolder(checkpointFolder(out))
  return files
    .filter((file) => NAME.test(file))
    .sort()
    .map((file) => join(checkpointFolder(out), file))
}

const tensorName = (sae: number, shard: number, name: ShardArrayName): string =>
  `sae.${sae}.shard.${shard}.${name}`

/** The tensors of a state, each shard asked for once, when its first tensor is written, and let go after its last. */
function streamsOf(saes: readonly SaePlan[], state: EngineState): TensorStream[] {
  const streams: TensorStream[] = []
  for (const [sae, plan] of saes.entries()) {
    for (const shard of plan.ranges.keys()) {
      let held: Promise<ShardState> | undefined
      const sizes = shardSizes(plan, shard)
      for (const [i, [name, length]] of sizes.entries()) {
        streams.push({
          name: tensorName(sae, shard, name),
          dtype: name === 'silent' ? 'I32' : 'F32',
          shape: [length],
          async *chunks() {
            held ??= state.shard(sae, shard)
            const values = (await held)[name]!
            if (i === sizes.length - 1) held = undefined
            yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
          },
        })
      }
    }
    for (const [name, values] of Object.entries(state.biases[sae]!)) {
      const { dtype, shape, bytes } = fromFloat32(values, [values.length])
      streams.push({ name: `sae.${sae}.${name}`, dtype, shape, chunks: () => [bytes] })
    }
  }
  return streams
}

/** Paths at which two JSON values differ, with both values: "saes.0.d_sae was 64, now 128". */
function differingFields(was: unknown, now: unknown, path = ''): string[] {
  if (isTree(was) && isTree(now)) {
    const keys = new Set([...Object.keys(was), ...Object.keys(now)])
    return [...keys].flatMap((key) =>
      differingFields(was[key], now[key], path === '' ? key : `${path}.${key}`),
    )
  }
  return was === now ? [] : [`${path} was ${JSON.stringify(was)}, now ${JSON.stringify(now)}`]
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
