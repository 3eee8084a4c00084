import { describe, expect, it } from 'vitest'
import { InferenceSession, Tensor } from '#onnxruntime'
import { onnxGraph } from './onnx.ts'
import { ProtoWriter } from './onnxProto.ts'

const bytesOf = (values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)

describe('ProtoWriter', () => {
  it('writes the examples of the protocol-buffer documentation', () => {
    expect([...new ProtoWriter().int(1, 150).finish()]).toEqual([0x08, 0x96, 0x01])
    const text = new ProtoWriter().bytes(2, 'testing').finish()
    expect([...text]).toEqual([0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67])
    const nested = new ProtoWriter().bytes(3, new ProtoWriter().int(1, 150)).finish()
    expect([...nested]).toEqual([0x1a, 0x03, 0x08, 0x96, 0x01])
  })

  it('writes a negative integer as ten bytes and a float as four', () => {
    const negative = [...new ProtoWriter().int(1, -1).finish()]
    expect(negative).toEqual([0x08, ...Array(9).fill(0xff), 0x01])
    expect([...new ProtoWriter().float(2, 1).finish()]).toEqual([0x15, 0, 0, 0x80, 0x3f])
  })
})

describe('onnxGraph', () => {
  it('makes a graph that ONNX Runtime computes: x W^T + b with odd sizes', async () => {
    const graph = onnxGraph('linear')
    const x = graph.input('x', 'F32', ['m', 3])
    const W = graph.constant('W', 'F32', [2, 3], bytesOf([1, 2, 3, 4, 5, 6]))
    const b = graph.constant('b', 'F32', [2], bytesOf([10, 20]))
    const y = graph.node('Gemm', [x, W, b], { attributes: { transB: 1, alpha: { float: 0.5 } } })
    graph.output('y', y, 'F32', ['m', 2])
    const session = await InferenceSession.create(graph.finish())
    const rows = Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 2, 0, 1)
    const result = await session.run({ x: new Tensor('float32', rows, [5, 3]) })
    expect(result.y!.dims).toEqual([5, 2])
    expect([...(result.y!.data as Float32Array)]).toEqual([
      10.5, 22, 11, 22.5, 11.5, 23, 13, 27.5, 12.5, 27,
    ])
    await session.release()
  })

  it('reads bfloat16 weights from the bytes that lie elsewhere', async () => {
    const graph = onnxGraph('external')
    const x = graph.input('x', 'F32', ['m', 2])
    const data = { location: 'weights', offset: 4, length: 4 }
    const w = graph.node('Cast', [graph.external('w', 'BF16', [2], data)], {
      attributes: { to: 1 },
    })
    graph.output('y', graph.node('Mul', [x, w]), 'F32', ['m', 2])
    const weights = new Uint8Array(Uint16Array.of(0, 0, 0x3f80, 0xc000).buffer)
    const session = await InferenceSession.create(graph.finish(), {
      externalData: [{ path: 'weights', data: weights }],
    })
    const result = await session.run({ x: new Tensor('float32', Float32Array.of(3, 5), [1, 2]) })
    expect([...(result.y!.data as Float32Array)]).toEqual([3, -10])
    await session.release()
  })

  it('refuses a name given twice and an output that no node makes', () => {
    const graph = onnxGraph('twice')
    const x = graph.input('x', 'F32', [1])
    expect(() => graph.input('x', 'F32', [1])).toThrow(
      'onnxGraph twice: the value x exists already',
    )
    expect(() => graph.output('y', x, 'F32', [1])).toThrow("expected a node's value")
    const y = graph.node('Neg', [x])
    graph.output('y', y, 'F32', [1])
    expect(() => graph.output('z', y, 'F32', [1])).toThrow('each only once')
  })
})
