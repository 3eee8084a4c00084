/** The ONNX Runtime sessions of a slice, one thread each, and how they are run. */
import { InferenceSession, type Tensor } from '#onnxruntime'
import { onnxGraph } from '../formats/index.ts'
import { proposes, type SliceOptions } from './layout.ts'
import { openProposal, type Proposal } from './proposal.ts'
import { padded } from './ranges.ts'

export type Sessions = {
  readonly encoder: InferenceSession
  readonly proposal?: Proposal
  readonly outer?: InferenceSession
}

export async function openSessions(options: SliceOptions): Promise<Sessions> {
  const session = (graph: Uint8Array) =>
    InferenceSession.create(graph, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
    })
  return {
    encoder: await session(encoderGraph(padded(options.d_in))),
    ...(proposes(options) && { proposal: await openProposal() }),
    ...(options.recipe.skip && { outer: await session(outerGraph()) }),
  }
}

/**
 * Runs a session into given arrays. Its binding returns copies besides, which go back at once: left to the garbage collector
 * they hold about 70 MB a thread, and every run touches new memory.
 */
export async function runInto(
  session: InferenceSession,
  feeds: Readonly<Record<string, Tensor>>,
  fetches: Readonly<Record<string, Tensor>>,
): Promise<void> {
  const results = await session.run(feeds, fetches)
  for (const [name, { data }] of Object.entries(results)) {
    const { buffer } = data as Float32Array<ArrayBuffer>
    if (buffer !== (fetches[name]!.data as Float32Array).buffer) buffer.transfer(0)
  }
}

/** pre [m, width] = x [m, d] W^T + b, W [width, d]. */
function encoderGraph(d: number): Uint8Array {
  const graph = onnxGraph('encoder')
  const x = graph.input('x', 'F32', ['m', d])
  const W = graph.input('W', 'F32', ['width', d])
  const b = graph.input('b', 'F32', ['width'])
  graph.output('pre', graph.node('Gemm', [x, W, b], { attributes: { transB: 1 } }), 'F32', [
    'm',
    'width',
  ])
  return graph.finish()
}

/** g [width, d] = a^T x, a [n, width], x [n, d]. */
function outerGraph(): Uint8Array {
  const graph = onnxGraph('outer')
  const a = graph.input('a', 'F32', ['n', 'width'])
  const x = graph.input('x', 'F32', ['n', 'd'])
  graph.output('g', graph.node('Gemm', [a, x], { attributes: { transA: 1 } }), 'F32', [
    'width',
    'd',
  ])
  return graph.finish()
}
