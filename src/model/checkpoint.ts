/** A checkpoint's tensors: one safetensors file or several with an index, checked against what the architecture asks for. */

import { z } from 'zod'
import {
  type ByteSource,
  DTYPE_BYTES,
  type Folder,
  FormatError,
  parseSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  type Tensor,
} from '../formats/index.ts'

/** Weights by name. They are read when asked for, never all at once. */
export type Checkpoint = {
  readonly name: string
  readonly sources: readonly ByteSource[]
  entry(name: string): SafetensorsEntry
  read(name: string): Promise<Tensor>
  /** Elements `first` to `first + count` of a tensor, row-major, as a tensor of one axis. */
  readElements(name: string, first: number, count: number): Promise<Tensor>
}

const SINGLE = 'model.safetensors'
const INDEX = 'model.safetensors.index.json'
const FLOAT_DTYPES: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16'])

const Index = z.object({ weight_map: z.record(z.string(), z.string()) })

/**
 * Opens a folder's weights and checks them.
 * @param shapes every tensor that must be there.
 * @throws FormatError if a file or tensor is missing, not a float, of another shape, or not one that the architecture has.
 */
export async function openCheckpoint(
  folder: Folder,
  shapes: ReadonlyMap<string, readonly number[]>,
): Promise<Checkpoint> {
  const { sources, files } = await openFiles(folder)
  const owners = new Map<string, SafetensorsFile>()
  for (const file of files) {
    for (const name of file.tensors.keys()) {
      const other = owners.get(name)
      if (other !== undefined) {
        throw new FormatError(file.name, `holds ${name}, which ${other.name} holds too.`)
      }
      owners.set(name, file)
    }
  }
  for (const [name, expected] of shapes) checkTensor(folder.name, owners, name, expected)
  const stranger = [...owners.keys()].find((name) => !shapes.has(name))
  if (stranger !== undefined) {
    throw new FormatError(
      owners.get(stranger)!.name,
      `holds ${stranger}, which config.json does not account for. Do config.json and the weights belong together?`,
    )
  }
  return {
    name: folder.name,
    sources,
    entry: (name) => owners.get(name)!.tensors.get(name)!,
    read: (name) => owners.get(name)!.read(name),
    async readElements(name, first, count) {
      const file = owners.get(name)!
      const { dtype, offset } = file.tensors.get(name)!
      const size = DTYPE_BYTES[dtype]
      const source = sources[files.indexOf(file)]!
      return {
        dtype,
        shape: [count],
        bytes: await source.read(offset + first * size, count * size),
      }
    },
  }
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
  const { weight_map } = Index.parse(await readJsonSource(index))
  const names = [...new Set(Object.values(weight_map))].sort()
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
  owners: ReadonlyMap<string, SafetensorsFile>,
  name: string,
  expected: readonly number[],
): void {
  const file = owners.get(name)
  const wanted = `[${expected.join(', ')}]`
  if (file === undefined) {
    throw new FormatError(
      where,
      `its weights lack the tensor ${name} ${wanted}. Is the checkpoint complete and of this architecture?`,
    )
  }
  const entry = file.tensors.get(name)!
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

/**
 * A whole source as JSON.
 * @throws FormatError if it is not JSON.
 */
export async function readJsonSource(source: ByteSource): Promise<unknown> {
  const bytes = await source.read(0, source.size_bytes)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new FormatError(source.name, 'is not JSON. Copy or download it again.', { cause })
  }
}
