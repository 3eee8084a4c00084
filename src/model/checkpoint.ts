/** A checkpoint's tensors: one safetensors file or several with an index, checked against what the architecture asks for. */

import { z } from 'zod'
import {
  type ByteSource,
  DTYPE_BYTES,
  type Folder,
  FormatError,
  parseJson,
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  type Tensor,
} from '../formats/index.ts'
import type { Described, ModelWeights } from './architecture.ts'

/** Weights by name. They are read when asked for, never all at once. */
export type Checkpoint = {
  readonly name: string
  readonly sources: readonly ByteSource[]
  entry(tensor: string): SafetensorsEntry
  read(tensor: string): Promise<Tensor>
  /** Elements `first` to `first + count` of a tensor, row-major, as a tensor of one axis. */
  readElements(tensor: string, first: number, count: number): Promise<Tensor>
}

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const FLOAT_DTYPES: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16'])

const Index = z.object({ weight_map: z.record(z.string(), z.string()) })

/**
 * Opens a folder's weights and checks them. Its tensors go by their canonical names from here on.
 * @throws FormatError if a file or tensor is missing, not a float, of another shape, or not one that the architecture has.
 */
export async function openCheckpoint(
  folder: Folder,
  expected: Omit<Described, 'config'>,
): Promise<Checkpoint> {
  const { sources, files } = await openFiles(folder)
  const places = new Map<string, Place>()
  files.forEach((file, i) => {
    for (const [name, entry] of file.tensors) {
      const tensor = expected.canonical(name)
      if (expected.ignores(tensor)) continue
      const other = places.get(tensor)
      if (other !== undefined) {
        const also = other.name === name ? '' : `, as ${other.name}`
        throw new FormatError(
          file.name,
          `holds ${name}, which ${other.file.name} holds too${also}.`,
        )
      }
      places.set(tensor, { name, entry, file, source: sources[i]! })
    }
  })
  const shapes = tensorShapes(expected.weights)
  for (const [tensor, shape] of shapes) checkTensor(folder.name, tensor, places.get(tensor), shape)
  for (const [tensor, { file, name }] of places) {
    if (shapes.has(tensor)) continue
    throw new FormatError(
      file.name,
      `holds ${name}, which config.json does not account for. Do config.json and the weights belong together?`,
    )
  }
  return {
    name: folder.name,
    sources,
    entry: (tensor) => places.get(tensor)!.entry,
    read(tensor) {
      const { file, name } = places.get(tensor)!
      return file.read(name)
    },
    async readElements(tensor, first, count) {
      const { entry, source } = places.get(tensor)!
      const { dtype, offset } = entry
      const size = DTYPE_BYTES[dtype]
      return {
        dtype,
        shape: [count],
        bytes: await source.read(offset + first * size, count * size),
      }
    },
  }
}

/** Where a tensor lies. */
type Place = {
  /** As the checkpoint names it. */
  readonly name: string
  readonly entry: SafetensorsEntry
  readonly file: SafetensorsFile
  readonly source: ByteSource
}

/** The shapes of a checkpoint's tensors, by name: weights that are rows of one tensor fill it together. */
export function tensorShapes({ blocks, ...rest }: ModelWeights): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>()
  for (const spec of [...Object.values(rest), ...blocks.flatMap((block) => Object.values(block))]) {
    const { tensor, shape, rows = [[0, shape[0]]], transposed } = spec
    const end = Math.max(...rows.map(([first, count]) => first + count))
    const known = shapes.get(tensor)?.[transposed ? 1 : 0] ?? 0
    const d_out = Math.max(known, end)
    const d_in = shape.slice(1)
    shapes.set(tensor, transposed ? [...d_in, d_out] : [d_out, ...d_in])
  }
  return shapes
}

async function openFiles(
  folder: Folder,
): Promise<{ sources: ByteSource[]; files: SafetensorsFile[] }> {
  const single = await folder.open(SINGLE)
  const sources = single === undefined ? await openShards(folder) : [single]
  return { sources, files: await Promise.all(sources.map(parseSafetensors)) }
}

async function openShards(folder: Folder): Promise<ByteSource[]> {
  const index = await folder.open(INDEX)
  if (index === undefined) {
    throw new FormatError(
      folder.name,
      `has neither ${SINGLE} nor ${INDEX}. Give a folder in Hugging Face's layout, with its weights.`,
    )
  }
  const { success, data } = Index.safeParse(await readJsonSource(index))
  if (!success) {
    throw new FormatError(
      index.name,
      'has no weight_map from tensors to files. Copy or download it again.',
    )
  }
  const names = [...new Set(Object.values(data.weight_map))].sort()
  return Promise.all(
    names.map(async (name) => {
      const shard = await folder.open(name)
      if (shard !== undefined) return shard
      throw new FormatError(index.name, `names the file ${name}, which is not there.`)
    }),
  )
}

function checkTensor(
  where: string,
  tensor: string,
  place: Place | undefined,
  expected: readonly number[],
): void {
  const wanted = `[${expected.join(', ')}]`
  if (place === undefined) {
    throw new FormatError(
      where,
      `its weights lack the tensor ${tensor} ${wanted}. Is the checkpoint complete and of this architecture?`,
    )
  }
  const { file, name, entry } = place
  if (entry.shape.join() !== expected.join()) {
    throw new FormatError(
      file.name,
      `${name} has shape [${entry.shape.join(', ')}], expected ${wanted} from config.json.`,
      { offset_bytes: entry.offset },
    )
  }
  if (!FLOAT_DTYPES.has(entry.dtype)) {
    throw new FormatError(
      file.name,
      `${name} is ${entry.dtype}, expected BF16, F16 or F32. Quantized checkpoints are not supported.`,
      { offset_bytes: entry.offset },
    )
  }
}

/** Deeper nesting than any settings have; whoever goes through a value may then go by recursion. */
const MAX_JSON_DEPTH = 64

/**
 * A whole source as JSON.
 * @throws FormatError if it is not JSON, or nests deeper than settings do.
 */
export async function readJsonSource(source: ByteSource): Promise<unknown> {
  const bytes = await source.read(0, source.size_bytes)
  try {
    return parseJson(bytes, MAX_JSON_DEPTH)
  } catch (cause) {
    const { message } = cause as Error
    throw new FormatError(source.name, `${message}. Copy or download it again.`, { cause })
  }
}
