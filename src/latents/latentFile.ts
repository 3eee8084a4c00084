/**
 * A latent index as bytes: safetensors, one tensor a column, the rest as metadata. It holds the examples' token ids itself, so
 * that they can be shown without the corpus.
 */

import { z } from 'zod'
import {
  type ByteSource,
  FormatError,
  fromFloat32,
  parseSafetensors,
  type Tensor,
  toFloat32,
  toInt32,
  writeSafetensors,
} from '../formats/index.ts'
import { parseHookName } from '../sae/index.ts'
import { N_POSITION_BINS } from './positions.ts'
import { EXAMPLE_COLUMNS, LATENT_WIDTHS, latentRecord } from './record.ts'
import type { LatentColumns, LatentIndex, LatentIndexInfo, LatentRecord } from './types.ts'

const FORMAT = 'hooke latents 1'

const Info = z.strictObject({
  hook: z.string(),
  d_sae: z.number(),
  n_tokens: z.number(),
  n_excluded: z.number(),
  model: z.string(),
  model_hash: z.string(),
  corpus_hash: z.string(),
  context: z.number(),
  n_intervals: z.number(),
  seed: z.number(),
  logits_absent: z.string().optional(),
  sites: z.array(z.string()),
})

/** An index whose records are read one by one. */
export type LatentReader = {
  readonly info: LatentIndexInfo
  readonly n_tokens: number
  readonly d_sae: number
  /** One latent's record; reads only its rows. @throws RangeError if there is no such latent. */
  record(index: number): Promise<LatentRecord>
  /** A whole column, for bulk import. */
  column<K extends keyof LatentColumns>(name: K): Promise<NonNullable<LatentColumns[K]>>
  /** All columns. */
  read(): Promise<LatentIndex>
}

/** The bytes of an index; integer columns in the narrowest type that holds them. */
export function renderLatents({ info, columns }: LatentIndex): Uint8Array<ArrayBuffer> {
  const tensors = Object.entries(columns).map(([name, values]): [string, Tensor] => {
    const shape = shapeOf(name as keyof LatentColumns, values.length)
    return [
      name,
      values instanceof Float32Array ? fromFloat32(values, shape) : narrow(values, shape),
    ]
  })
  return writeSafetensors(tensors, { format: FORMAT, info: JSON.stringify(info) })
}

/**
 * Opens an index.
 * @throws FormatError if the bytes are damaged or not an index.
 */
export async function parseLatents(source: ByteSource): Promise<LatentReader> {
  const { tensors, metadata } = await parseSafetensors(source)
  if (metadata.format !== FORMAT || metadata.info === undefined) {
    throw new FormatError(
      source.name,
      `says its format is ${metadata.format ?? 'unknown'}, expected "${FORMAT}". Make the index again.`,
    )
  }
  const info = parseInfo(source.name, metadata.info)
  const { d_sae } = info
  const { n_active } = Object.fromEntries(tensors)
  if (n_active?.shape[0] !== d_sae) {
    throw new FormatError(
      source.name,
      `holds ${n_active?.shape[0] ?? 'no'} latents, its metadata say ${d_sae}. Make the index again.`,
    )
  }

  /** Rows from .. to of a column, `width` numbers each. */
  const rows = async (name: keyof LatentColumns, from: number, to: number, width = 1) => {
    const entry = tensors.get(name)
    if (entry === undefined) {
      throw new FormatError(source.name, `has no column ${name}. Make the index again.`)
    }
    const { dtype, shape, offset, length } = entry
    const n = shape[0]!
    const row_bytes = n === 0 ? 0 : length / n
    const bytes = await source.read(offset + from * row_bytes, (to - from) * row_bytes)
    const tensor = { dtype, shape: [(to - from) * width], bytes }
    return dtype === 'F32' ? toFloat32(tensor) : toInt32(tensor)
  }
  const column = async <K extends keyof LatentColumns>(
    name: K,
  ): Promise<NonNullable<LatentColumns[K]>> => {
    const n = tensors.get(name)?.shape[0] ?? 0
    return (await rows(name, 0, n, widthOf(name))) as NonNullable<LatentColumns[K]>
  }

  const record = async (index: number): Promise<LatentRecord> => {
    if (!Number.isInteger(index) || index < 0 || index >= d_sae) {
      throw new RangeError(`${source.name}: latent ${index} asked, expected 0 to ${d_sae - 1}.`)
    }
    const one: Record<string, Int32Array | Float32Array> = {}
    const names = Object.keys(LATENT_WIDTHS) as (keyof typeof LATENT_WIDTHS)[]
    await Promise.all(
      names.map(async (name) => {
        one[name] = await rows(name, index, index + 1, LATENT_WIDTHS[name])
      }),
    )
    if (tensors.has('position')) {
      one.position = await rows('position', index, index + 1, N_POSITION_BINS)
      one.position_tokens = await column('position_tokens')
    }
    const [first, end] = await rows('example_first', index, index + 2)
    const [ids_first, active_first] = await Promise.all([
      rows('ids_first', first!, end! + 1),
      rows('active_first', first!, end! + 1),
    ])
    const lists = [
      ...EXAMPLE_COLUMNS.map((name) => [name, first!, end!] as const),
      ['ids', ids_first[0]!, ids_first.at(-1)!] as const,
      ['active_at', active_first[0]!, active_first.at(-1)!] as const,
      ['active_value', active_first[0]!, active_first.at(-1)!] as const,
    ]
    await Promise.all(
      lists.map(async ([name, from, to]) => {
        one[name] = await rows(name, from, to)
      }),
    )
    one.example_first = Int32Array.of(0, end! - first!)
    one.ids_first = Int32Array.from(ids_first, (at) => at - ids_first[0]!)
    one.active_first = Int32Array.from(active_first, (at) => at - active_first[0]!)
    return latentRecord(info, one as unknown as LatentColumns, 0, index)
  }

  return {
    info,
    n_tokens: info.n_tokens,
    d_sae,
    record,
    column,
    async read() {
      const names = [...tensors.keys()] as (keyof LatentColumns)[]
      const pairs = names.map(async (name) => [name, await column(name)] as const)
      return { info, columns: Object.fromEntries(await Promise.all(pairs)) as LatentColumns }
    },
  }
}

function parseInfo(path: string, json: string): LatentIndexInfo {
  try {
    const { hook, sites, logits_absent, ...rest } = Info.parse(JSON.parse(json))
    return {
      ...rest,
      hook: parseHookName(hook, path),
      sites: sites.map((site) => parseHookName(site, path)),
      ...(logits_absent === undefined ? {} : { logits_absent }),
    }
  } catch (cause) {
    throw new FormatError(path, 'has metadata that are not those of an index. Make it again.', {
      cause,
    })
  }
}

function widthOf(name: keyof LatentColumns): number {
  const widths: Partial<Record<keyof LatentColumns, number>> = LATENT_WIDTHS
  return name === 'position' ? N_POSITION_BINS : (widths[name] ?? 1)
}

function shapeOf(name: keyof LatentColumns, length: number): number[] {
  const width = widthOf(name)
  return width === 1 ? [length] : [length / width, width]
}

/** Integers as U8, U16 or I32, whichever is the narrowest that holds all of them. */
function narrow(values: Int32Array, shape: readonly number[]): Tensor {
  let least = 0
  let most = 0
  for (const value of values) {
    if (value < least) least = value
    if (value > most) most = value
  }
  const [dtype, packed] =
    least < 0 || most > 0xffff
      ? (['I32', values] as const)
      : most > 0xff
        ? (['U16', Uint16Array.from(values)] as const)
        : (['U8', Uint8Array.from(values)] as const)
  const { buffer, byteOffset, byteLength } = packed
  return { dtype, shape, bytes: new Uint8Array(buffer, byteOffset, byteLength) }
}
