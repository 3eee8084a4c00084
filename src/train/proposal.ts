/**
 * The 8-bit product that proposes entries of the encoder: ONNX Runtime's, several times as fast as its product in f32.
 * What it rests on and what decides stands in `kernels/propose.ts`.
 */
import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import type { ShardView } from './kernels/shard.ts'

/** Sums held at a time; no fewer tokens than this, since weights are packed anew for every product. */
const SUM_BYTES = 2 ** 22
const LEAST_TOKENS = 512
/** Share of a shard's latents above which proposals, each computed in full, cost more than the product in f32. */
export const MOST_PROPOSED = 0.1

/** The session, and whether it takes weights as signed bytes. */
export type Proposal = { readonly session: InferenceSession; readonly signed: boolean }

/** Tokens [first, first + m) of the batch with their ready-made inputs and outputs. */
export type ProposalChunk = {
  readonly first: number
  readonly m: number
  readonly feeds: Readonly<Record<string, Tensor>>
  readonly fetches: { readonly sums: Tensor }
}

/** Tokens of one product of a shard of `width` latents. */
export function proposalTokens(n: number, width: number): number {
  return Math.min(n, Math.max(LEAST_TOKENS, Math.floor(SUM_BYTES / 4 / width / 16) * 16))
}

/**
 * Opens the product with signed weights, or, on machines whose instruction for these adds pairs in 16 bits and clips, with
 * unsigned ones. Either gives exact sums, so the results are the same.
 */
export async function openProposal(): Promise<Proposal> {
  const session = (signed: boolean) =>
    InferenceSession.create(proposalGraph(signed), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
    })
  const signed = await session(true)
  if (await isExact(signed)) return { session: signed, signed: true }
  await signed.release()
  return { session: await session(false), signed: false }
}

/** The products of one shard: sums [m, width] = (x_8 - 128) W_8, into the memory at `sums_at`. */
export function proposalChunks(
  { arrays, sizes }: ShardView,
  signed: boolean,
  sums_at: number,
): ProposalChunk[] {
  const { n, d, width } = sizes
  const { buffer } = arrays.W_8
  const W = signed
    ? new Tensor('int8', new Int8Array(buffer, arrays.W_8.byteOffset, d * width), [d, width])
    : new Tensor('uint8', new Uint8Array(buffer, arrays.W_8.byteOffset, d * width), [d, width])
  const zeros = zeroPoints(signed)
  const step = proposalTokens(n, width)
  return Array.from({ length: Math.ceil(n / step) }, (_, i) => {
    const first = i * step
    const m = Math.min(step, n - first)
    const rows = new Uint8Array(buffer, arrays.x_8.byteOffset + first * d, m * d)
    const sums = new Tensor('int32', new Int32Array(buffer, sums_at, m * width), [m, width])
    return {
      first,
      m,
      feeds: { x: new Tensor('uint8', rows, [m, d]), W, ...zeros },
      fetches: { sums },
    }
  })
}

/** Whether the largest sums come out right, which clipping would spoil. */
async function isExact(session: InferenceSession): Promise<boolean> {
  const [m, d, width] = [8, 64, 32]
  const x = new Tensor('uint8', new Uint8Array(m * d).fill(255), [m, d])
  const W = new Tensor('int8', new Int8Array(d * width).fill(127), [d, width])
  const { sums } = await session.run({ x, W, ...zeroPoints(true) })
  return (sums!.data as Int32Array).every((sum) => sum === 127 * 127 * d)
}

function zeroPoints(signed: boolean): Record<'x_zero' | 'W_zero', Tensor> {
  return {
    x_zero: new Tensor('uint8', Uint8Array.of(128), []),
    W_zero: signed
      ? new Tensor('int8', Int8Array.of(0), [])
      : new Tensor('uint8', Uint8Array.of(128), []),
  }
}

/** sums [m, width] = (x [m, d] - x_zero) (W [d, width] - W_zero). */
function proposalGraph(signed: boolean): Uint8Array {
  const dtype = signed ? 'I8' : 'U8'
  const graph = onnxGraph('proposal')
  const inputs = [
    graph.input('x', 'U8', ['m', 'd']),
    graph.input('W', dtype, ['d', 'width']),
    graph.input('x_zero', 'U8', []),
    graph.input('W_zero', dtype, []),
  ]
  graph.output('sums', graph.node('MatMulInteger', inputs), 'I32', ['m', 'width'])
  return graph.finish()
}
