/**
 * The bound under a forward pass: one block's seven matrix products alone in ONNX Runtime, weights as constants that it packs when it
 * opens (the fastest form that it has). Attention's own products and everything between are left out.
 *
 * One block stands for all: its weights are far larger than any cache, so the next block's would come from memory as these do.
 */
import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from '../../src/formats/index.ts'
import { openRandom } from '../../src/model/random.ts'
import { serve, timed } from './serve.ts'
import { blockMatrices, type Shape } from './shape.ts'

export type GemmRequest =
  | { readonly do: 'open'; readonly shape: Shape; readonly threads: number }
  | { readonly do: 'products'; readonly n_tokens: number; readonly reps: number }

let session: InferenceSession
const widths = new Set<number>()

/** Each product's output is cut down to one number, so that none has to be copied out. */
async function openProducts(shape: Shape, threads: number): Promise<void> {
  const graph = onnxGraph('products')
  const random = openRandom(1)
  const externalData: { path: string; data: Uint8Array }[] = []
  const indices = (name: string, values: readonly number[]) =>
    graph.constant(
      name,
      'I64',
      [values.length],
      new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    )
  const cut = [indices('starts', [0, 0]), indices('ends', [1, 1])]
  for (const [name, [d_out, d_in]] of Object.entries(blockMatrices(shape))) {
    if (!widths.has(d_in)) graph.input(`x${d_in}`, 'F32', ['m', d_in])
    widths.add(d_in)
    const W = Float32Array.from({ length: d_out * d_in }, () => random() - 0.5)
    const weight = graph.external(name, 'F32', [d_out, d_in], {
      location: name,
      offset: 0,
      length: W.byteLength,
    })
    externalData.push({ path: name, data: new Uint8Array(W.buffer) })
    const y = graph.node('Gemm', [`x${d_in}`, weight], { attributes: { transB: 1 } })
    graph.output(`${name}_cut`, graph.node('Slice', [y, ...cut]), 'F32', [1, 1])
  }
  session = await InferenceSession.create(graph.finish(), {
    externalData,
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
    extra: { session: { force_spinning_stop: '1' } },
  })
}

await serve<GemmRequest>(async (request) => {
  if (request.do === 'open') {
    await openProducts(request.shape, request.threads)
    return {}
  }
  const random = openRandom(2)
  const feeds = Object.fromEntries(
    [...widths].map((d_in) => {
      const x = Float32Array.from({ length: request.n_tokens * d_in }, () => random() - 0.5)
      return [`x${d_in}`, new Tensor('float32', x, [request.n_tokens, d_in])]
    }),
  )
  await session.run(feeds)
  const times = []
  for (let i = 0; i < request.reps; i++) {
    const { ms, cpu_ms } = await timed(() => session.run(feeds))
    times.push({ ms, cpu_ms })
  }
  return { times }
})
