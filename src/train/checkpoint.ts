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
  fromInt32,
  parseSafetensors,
  streamSafetensors,
  type Tensor,
  toFloat32,
  toInt32,
} from '../formats/index.ts'
import type { Failures } from './failures.ts'
import type { Followed } from './schedules.ts'
import { type EngineState, SHARD_STATE, type ShardSnapshot, type ShardState } from './state.ts'

/** Everything that decides the result of a run, as plain JSON. */
export type RunConfig = Readonly<Record<string, unknown>>

export type Checkpoint = {
  /** Steps taken. */
  readonly step: number
  readonly config: RunConfig
  readonly state: EngineState
  /** Coefficient of the sparsity loss per SAE, where it follows L0. */
  readonly followed: readonly Followed[]
  /** SAEs that have stopped alone, by their place in the run. */
  readonly failures: Failures
  /** Sums of measurements since the last point, one per SAE. */
  readonly window: readonly Readonly<Record<string, number>>[]
}

const KEPT = 2
const NAME = /^step_(\d+)\.safetensors$/

/** Folder of a suite's checkpoints. */
export const checkpointFolder = (out: string): string => join(out, 'checkpoint')

/**
 * Writes a checkpoint and removes all but the newest two.
 * @returns its path.
 * @throws FileError if the disk refuses; older checkpoints then stay.
 */
export async function writeCheckpoint(out: string, checkpoint: Checkpoint): Promise<string> {
  const { step, config, state, window, followed, failures } = checkpoint
  const path = join(checkpointFolder(out), `step_${String(step).padStart(9, '0')}.safetensors`)
  await writeState(path, state, {
    step: String(step),
    config: JSON.stringify(config),
    run: JSON.stringify({ window, followed, failures }),
  })
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
    const file = await parseSafetensors(source)
    const { step, config: made, run, scalars } = file.metadata
    if (step === undefined || made === undefined || run === undefined || scalars === undefined)
      throw new FormatError(
        path,
        'lacks step, config, run or scalars: it is no checkpoint; remove it',
      )
    const differences = differingFields(JSON.parse(made), JSON.parse(JSON.stringify(config)))
    if (differences.length > 0) {
      throw new RangeError(
        `train: ${path} was made with another configuration: ${differences.join('; ')}. ` +
          `Ask for the same again, remove ${checkpointFolder(out)}, or choose another folder`,
      )
    }
    const tensors = new Map<string, Tensor>()
    for (const name of file.tensors.keys()) tensors.set(name, await file.read(name))
    const state = { ...stateOf(tensors), scalars: JSON.parse(scalars) }
    return { step: Number(step), config, state, ...JSON.parse(run) }
  } finally {
    await source.close()
  }
}

/** Writes an engine's state: its tensors, and its numbers as metadata beside those given. */
export async function writeState(
  path: string,
  state: EngineState,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const streams = tensorsOf(state).map(([name, { dtype, shape, bytes }]) => ({
    name,
    dtype,
    shape,
    chunks: () => [bytes],
  }))
  const numbers = { ...metadata, scalars: JSON.stringify(state.scalars) }
  await writeFileAtomic(path, streamSafetensors(streams, numbers))
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

function tensorsOf({ shards, biases }: EngineState): [string, Tensor][] {
  const tensors: [string, Tensor][] = []
  for (const { sae, shard, state } of shards) {
    for (const name of SHARD_STATE) {
      const values = state[name]
      if (values === undefined) continue
      const shape = [values.length]
      const tensor =
        values instanceof Float32Array ? fromFloat32(values, shape) : fromInt32(values, shape)
      tensors.push([`sae.${sae}.shard.${shard}.${name}`, tensor])
    }
  }
  for (const [sae, bias] of biases.entries()) {
    for (const [name, values] of Object.entries(bias))
      tensors.push([`sae.${sae}.${name}`, fromFloat32(values, [values.length])])
  }
  return tensors
}

function stateOf(tensors: ReadonlyMap<string, Tensor>): Omit<EngineState, 'scalars'> {
  const shards = new Map<string, ShardSnapshot>()
  const biases: { b_dec: Float32Array; v_b_dec: Float32Array }[] = []
  for (const [key, tensor] of tensors) {
    const [, sae, second, shard, name] = key.split('.')
    const i = Number(sae)
    if (second === 'shard') {
      const place = `${sae}.${shard}`
      const snapshot = shards.get(place) ?? {
        sae: i,
        shard: Number(shard),
        state: {} as ShardState,
      }
      shards.set(place, snapshot)
      snapshot.state[name as keyof ShardState] =
        tensor.dtype === 'I32' ? toInt32(tensor) : toFloat32(tensor)
    } else {
      biases[i] ??= { b_dec: new Float32Array(), v_b_dec: new Float32Array() }
      biases[i][second as 'b_dec' | 'v_b_dec'] = toFloat32(tensor)
    }
  }
  return {
    shards: [...shards.values()].sort((a, b) => a.sae - b.sae || a.shard - b.shard),
    biases,
  }
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
