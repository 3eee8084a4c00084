/** Every published dialect against the values that plain numpy computes from that dialect's own equations. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openFile } from '../../files/index.ts'
import {
  FormatError,
  openTensors,
  type Tensor,
  writeNpz,
  writeSafetensors,
} from '../../formats/index.ts'
import { loadPublishedSae, loadSae, saveSae } from '../disk.ts'
import { decode, encode, type ReadSaeOptions, type SparseActs } from '../index.ts'
import { WEIGHT_FILES } from './recognise.ts'

type Golden = {
  readonly dialect: string
  readonly path: string
  readonly hook_name: string
  readonly hook_name_out?: string
  readonly l0?: number
  readonly mlp_norm?: { gain: number[]; bias?: number[]; has_post_norm: boolean }
  readonly x: number[][]
  readonly acts: number[][]
  readonly recon: number[][]
}

const FIXTURES = resolve(import.meta.dirname, '../../../test/fixtures/saes')
const names = readdirSync(FIXTURES).sort()
const goldenOf = (name: string): Golden =>
  JSON.parse(readFileSync(join(FIXTURES, name, 'golden.json'), 'utf8'))

let root: string
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'hooke-dialects-'))
})
afterAll(() => rmSync(root, { recursive: true }))

/** The model's norm, where the fixture's SAE reads behind its gain. */
function optionsOf({ mlp_norm }: Golden): ReadSaeOptions {
  if (mlp_norm === undefined) return {}
  const { gain, bias, has_post_norm } = mlp_norm
  return {
    mlpNorm: async () => ({
      gain: Float32Array.from(gain),
      ...(bias === undefined ? {} : { bias: Float32Array.from(bias) }),
      has_post_norm,
    }),
  }
}

function dense({ n, d_sae, row_start, index, value }: SparseActs): number[] {
  const out = new Array<number>(n * d_sae).fill(0)
  for (let row = 0; row < n; row++) {
    for (let e = row_start[row]!; e < row_start[row + 1]!; e++)
      out[row * d_sae + index[e]!] = value[e]!
  }
  return out
}

const close = (values: number[][]) => values.flat().map((value) => expect.closeTo(value, 4))

describe.each(names)('%s', (name) => {
  const golden = goldenOf(name)
  const path = join(FIXTURES, name, golden.path)

  it('encodes and decodes as its own equations do', async () => {
    const { dialect, sae, notes, l0 } = await loadPublishedSae(path, optionsOf(golden))
    expect(dialect).toBe(golden.dialect)
    expect(sae.hook_name).toBe(golden.hook_name)
    expect(sae.transcoder?.hook_name_out).toBe(golden.hook_name_out)
    if (golden.l0 !== undefined) expect(l0).toBe(golden.l0)
    expect(notes.join(' ')).toContain(golden.hook_name)
    const x = Float32Array.from(golden.x.flat())
    const acts = encode(sae, x)
    expect(dense(acts)).toEqual(close(golden.acts))
    expect([...decode(sae, acts, x)]).toEqual(close(golden.recon))
  })

  it('is kept in a suite as it was loaded, its notes too', async () => {
    const { sae, notes } = await loadPublishedSae(path, optionsOf(golden))
    const folder = join(root, name, 'kept')
    await saveSae(folder, sae)
    const { metadata, ...kept } = await loadSae(folder)
    const { metadata: _, ...loaded } = sae
    expect(kept).toEqual(loaded)
    expect(metadata.notes).toEqual(notes)
  })

  if (golden.mlp_norm !== undefined) {
    it('is refused without the model whose gain it reads behind', async () => {
      await expect(loadPublishedSae(path)).rejects.toThrow('Name the model it was trained on')
    })
  }

  it('is refused with an unknown setting, or without its settings', async () => {
    const copy = copyOf(name, golden)
    const config = ['cfg.json', 'config.json', 'hyperparams.json'].find((file) =>
      existsSync(join(copy.folder, file)),
    )
    if (config === undefined) {
      expect(golden.dialect).toBe('gemma-scope')
      return
    }
    const at = join(copy.folder, config)
    const value = JSON.parse(readFileSync(at, 'utf8'))
    writeFileSync(at, JSON.stringify({ ...value, sharpened: 2 }))
    await expect(load(copy, golden)).rejects.toThrow('has the unknown field "sharpened"')
    writeFileSync(at, JSON.stringify([value]))
    await expect(load(copy, golden)).rejects.toThrow('is not a JSON object')
    rmSync(at)
    await expect(load(copy, golden)).rejects.toThrow(`has no ${config} beside its weights`)
  })

  it('cut short is refused', async () => {
    const copy = copyOf(name, golden)
    const { length } = readFileSync(copy.weights)
    for (const share of [0.99, 0.5, 0.01]) {
      truncateSync(copy.weights, Math.floor(length * share))
      await expect(load(copy, golden)).rejects.toThrow(
        /(?:is not a whole ZIP archive|The file is cut short).*(?:again|byte)/,
      )
    }
  })

  if (golden.dialect !== 'dictionary-learning') {
    it('with a matrix turned, missing, of another width or type, or one more is refused', async () => {
      const copy = copyOf(name, golden)
      const tensors = await readAll(copy.weights)
      const [matrix, tensor] = [...tensors].find(([, { shape }]) => shape.length === 2)!
      const changed = async (changes: Record<string, Tensor | undefined>): Promise<string> => {
        const entries = Object.entries({ ...Object.fromEntries(tensors), ...changes })
        const kept = entries.filter((entry): entry is [string, Tensor] => entry[1] !== undefined)
        await writeTensors(copy.weights, kept)
        return load(copy, golden).then(
          () => 'loaded',
          (error: unknown) => {
            expect(error).toBeInstanceOf(FormatError)
            return (error as Error).message
          },
        )
      }
      const { shape, bytes } = tensor
      expect(await changed({ [matrix]: { ...tensor, shape: shape.toReversed() } })).toMatch(
        new RegExp(
          `${matrix} (?:has shape|is) \\[${shape.toReversed().join(', ')}\\], expected|rows, expected one a latent`,
        ),
      )
      expect(await changed({ [matrix]: undefined })).toMatch(
        new RegExp(`has no tensor ${matrix}|which are those of no SAE|lack `),
      )
      expect(await changed({ stranger: { ...tensor } })).toMatch(
        'has the unknown tensor "stranger"',
      )
      const [vector, { shape: [length], dtype }] = [...tensors].find(([, one]) => one.shape.length === 1)! // biome-ignore format: one line
      const width = dtype === 'BF16' ? 2 : 4
      expect(
        await changed({
          [vector]: { dtype, shape: [length! + 1], bytes: new Uint8Array(width * (length! + 1)) },
        }),
      ).toMatch(/has shape \[\d+(?:, \d+)?\], expected \[\d+(?:, \d+)?\]/)
      const integers: Tensor = {
        dtype: 'I32',
        shape,
        bytes: new Uint8Array((bytes.length * 4) / width),
      }
      expect(await changed({ [matrix]: integers })).toMatch(
        `${matrix} holds I32, expected one of F32, F16, BF16, F64`,
      )
    })
  }
})

describe('the site that a person names', () => {
  const hook_name = 'blocks.9.ln2.hook_normalized'
  it('stands in place of the one in the files, and the gain of its own block is folded in', async () => {
    for (const name of ['gemma-scope-2-transcoder-affine', 'sparsify-skip-transcoder']) {
      const golden = goldenOf(name)
      const path = join(FIXTURES, name, golden.path)
      const layers: number[] = []
      const mlpNorm = async (layer: number) => {
        layers.push(layer)
        return await optionsOf(golden).mlpNorm!(layer)
      }
      const sites = { hook_name, hook_name_out: 'blocks.9.hook_mlp_out' } as const
      const { sae } = await loadPublishedSae(path, { mlpNorm, sites })
      const { sae: named } = await loadPublishedSae(path, optionsOf(golden))
      expect(layers).toEqual([9])
      expect(sae.hook_name).toBe(hook_name)
      expect(sae.W_enc).toEqual(named.W_enc)
      await expect(loadPublishedSae(path, { mlpNorm, sites: { hook_name } })).rejects.toThrow(
        'is a transcoder. Give the site that it writes too',
      )
    }
  })

  it('cannot make a transcoder of an SAE', async () => {
    const sites = { hook_name, hook_name_out: 'blocks.9.hook_mlp_out' } as const
    for (const name of [
      'gemma-scope-2-res',
      'saelens-standard',
      'sparsify-sae',
      'llama-scope-res',
      'dictionary-learning-BatchTopKSAE',
    ]) {
      const path = join(FIXTURES, name, goldenOf(name).path)
      await expect(loadPublishedSae(path, { sites })).rejects.toThrow('is no transcoder')
    }
  })
})

describe('files of PyTorch', () => {
  const variants = join(FIXTURES, 'dictionary-learning-AutoEncoderTopK', 'variants')
  it.each([
    ['turned', 'encoder.weight has shape [6, 11], expected [11, 6]'],
    ['missing', 'has no tensor b_dec; AutoEncoderTopK of 6 x 11 has encoder.weight'],
    ['extra', 'has the unknown tensor "W_skip"'],
    ['width', 'encoder.bias has shape [12], expected [11]'],
    ['dtype', 'encoder.weight holds I64, expected one of F32, F16, BF16, F64'],
    ['hostile', 'asks for "posix.system", which a state dict does not need; nothing was run'],
    ['module', 'asks for "torch.nn.modules.linear.Linear", which a state dict does not need'],
    ['numpy', 'asks for "numpy.core.multiarray._reconstruct", which a state dict does not need'],
    ['legacy', 'is a pickle without an archive, as PyTorch wrote before 1.6'],
  ])('that are %s are refused', async (variant, message) => {
    await expect(loadPublishedSae(join(variants, variant))).rejects.toThrow(message)
  })
})

describe('what is not an SAE of one site', () => {
  it('is named: a crosscoder, a cross-layer transcoder, other tensors, a folder of folders', async () => {
    const golden = goldenOf('gemma-scope-2-res')
    const { folder, weights } = copyOf('gemma-scope-2-res', golden)
    const tensors = await readAll(weights)
    const w_dec = tensors.get('w_dec')!
    await writeTensors(weights, [...tensors, ['w_dec', { ...w_dec, shape: [13, 1, 5] }]])
    await expect(loadPublishedSae(folder)).rejects.toThrow(
      'crosscoders and cross-layer transcoders read or write several layers',
    )
    const layers = copyOf('gemma-scope-2-res', golden)
    cpSync(weights, join(layers.folder, 'params_layer_0.safetensors'))
    rmSync(layers.weights)
    await expect(loadPublishedSae(layers.folder)).rejects.toThrow('a cross-layer transcoder')
    await writeTensors(weights, [['lm_head', w_dec]])
    await expect(loadPublishedSae(folder)).rejects.toThrow(
      'holds lm_head, which are those of no SAE that Hooke knows',
    )
    await writeTensors(weights, [['W_E', w_dec]])
    await expect(loadPublishedSae(folder)).rejects.toThrow('a later layout of Llama Scope')
    await expect(loadPublishedSae(FIXTURES)).rejects.toThrow(
      /holds none of params\.npz.*Name the folder of one SAE/,
    )
  })
})

type Copy = { readonly folder: string; readonly weights: string }
let copies = 0

/** A copy to spoil, under the same names: some dialects read the site from them. */
function copyOf(name: string, { path }: Golden): Copy {
  const at = join(root, `${copies++}`)
  cpSync(join(FIXTURES, name), at, { recursive: true })
  const whole = join(at, path)
  if (path.endsWith('.npz')) return { folder: whole, weights: whole }
  const file = WEIGHT_FILES.find((known) => existsSync(join(whole, known)))!
  return { folder: whole, weights: join(whole, file) }
}

const load = ({ folder }: Copy, golden: Golden) => loadPublishedSae(folder, optionsOf(golden))

async function readAll(path: string): Promise<Map<string, Tensor>> {
  const source = await openFile(path)
  const { file } = await openTensors(source)
  const tensors = new Map<string, Tensor>()
  for (const name of file.tensors.keys()) tensors.set(name, await file.read(name))
  await source.close()
  return tensors
}

async function writeTensors(path: string, tensors: [string, Tensor][]): Promise<void> {
  const unique = [...new Map(tensors)]
  if (!path.endsWith('.npz')) return writeFileSync(path, writeSafetensors(unique))
  const pieces: Uint8Array[] = []
  for await (const piece of writeNpz(unique)) pieces.push(piece)
  writeFileSync(path, Buffer.concat(pieces))
}
