/**
 * ONNX graphs, written by hand: nodes are added one by one, weights stay where they are on disk.
 * Not a reader, not a checker: ONNX Runtime checks types and shapes when it opens the graph.
 */

import { ProtoWriter } from './onnxProto.ts'
import type { Dtype } from './tensor.ts'

/** Name of a value inside one graph. */
export type OnnxValue = string

/** A dimension: a size, or a name for a size known only at run time. */
export type OnnxDim = number | string

/** A node's attribute; a plain number is an integer attribute, so floats are marked. */
export type OnnxAttribute = number | { readonly float: number } | string | readonly number[]

/** Where an initializer's bytes lie in another file. */
export type ExternalData = {
  readonly location: string
  readonly offset: number
  readonly length: number
}

/** A graph under construction. Every method that makes a value returns its name. */
export interface OnnxGraph {
  input(name: string, dtype: Dtype, shape: readonly OnnxDim[]): OnnxValue
  /** Makes the value of a node an output of the graph, under this name from its node on: nothing is copied. */
  output(name: string, value: OnnxValue, dtype: Dtype, shape: readonly OnnxDim[]): void
  /** An initializer inside the graph; `bytes` are little-endian, row-major. */
  constant(name: string, dtype: Dtype, shape: readonly number[], bytes: Uint8Array): OnnxValue
  /** An initializer whose bytes lie elsewhere, in the dtype they have there. */
  external(name: string, dtype: Dtype, shape: readonly number[], data: ExternalData): OnnxValue
  /** A node with one output. An empty name among `inputs` skips an optional input. */
  node(op: string, inputs: readonly OnnxValue[], options?: NodeOptions): OnnxValue
  /** A node with `n_outputs` outputs. */
  nodes(
    op: string,
    n_outputs: number,
    inputs: readonly OnnxValue[],
    options?: NodeOptions,
  ): OnnxValue[]
  /** The serialized ModelProto. */
  finish(): Uint8Array<ArrayBuffer>
}

export type NodeOptions = {
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
  /** Operator set, `''` (ai.onnx) unless given. */
  readonly domain?: string
}

const IR_VERSION = 9
const OPSETS: Readonly<Record<string, number>> = { '': 20, 'com.microsoft': 1 }

/** TensorProto.DataType by safetensors dtype. */
const DATA_TYPE: Readonly<Record<Dtype, number>> = {
  F32: 1,
  U8: 2,
  I8: 3,
  U16: 4,
  I16: 5,
  I32: 6,
  I64: 7,
  BOOL: 9,
  F16: 10,
  F64: 11,
  U32: 12,
  U64: 13,
  BF16: 16,
}

/**
 * Starts an empty graph (IR version 9, opset 20 and com.microsoft 1).
 * @throws TypeError from its methods where a name is given twice.
 * Source: onnx/onnx.proto, field numbers of ModelProto, GraphProto, NodeProto, TensorProto.
 */
export function onnxGraph(name: string): OnnxGraph {
  const nodes: Node[] = []
  const renamed = new Map<OnnxValue, string>()
  const initializers: ProtoWriter[] = []
  const inputs: ProtoWriter[] = []
  const outputs: ProtoWriter[] = []
  const names = new Set<string>()

  const claim = (value: string): OnnxValue => {
    if (names.has(value)) {
      throw new TypeError(`onnxGraph ${name}: the value ${value} exists already; name it once`)
    }
    names.add(value)
    return value
  }

  const graph: OnnxGraph = {
    input(value, dtype, shape) {
      inputs.push(valueInfo(value, dtype, shape))
      return claim(value)
    },
    output(value, from, dtype, shape) {
      if (renamed.has(from) || !nodes.some((node) => node.outputs.includes(from))) {
        throw new TypeError(
          `onnxGraph ${name}: ${from} cannot become the output ${value}; expected a node's value, and each only once`,
        )
      }
      renamed.set(from, claim(value))
      outputs.push(valueInfo(value, dtype, shape))
    },
    constant(value, dtype, shape, bytes) {
      initializers.push(tensorHead(claim(value), dtype, shape).bytes(9, bytes))
      return value
    },
    external(value, dtype, shape, data) {
      const tensor = tensorHead(claim(value), dtype, shape)
      for (const [key, text] of Object.entries(data)) {
        tensor.bytes(13, new ProtoWriter().bytes(1, key).bytes(2, String(text)))
      }
      initializers.push(tensor.int(14, 1))
      return value
    },
    node(op, ins, options) {
      return graph.nodes(op, 1, ins, options)[0]!
    },
    nodes(op, n_outputs, ins, options) {
      const outs = Array.from({ length: n_outputs }, (_, i) => claim(`${op}_${nodes.length}:${i}`))
      nodes.push({ op, inputs: ins, outputs: outs, ...options })
      return outs
    },
    finish() {
      const body = new ProtoWriter()
      nodes.forEach((node, i) => {
        body.bytes(1, nodeMessage(node, i, renamed))
      })
      body.bytes(2, name)
      for (const tensor of initializers) body.bytes(5, tensor)
      for (const value of inputs) body.bytes(11, value)
      for (const value of outputs) body.bytes(12, value)
      const model = new ProtoWriter().int(1, IR_VERSION).bytes(2, 'hooke').bytes(7, body)
      for (const [domain, version] of Object.entries(OPSETS)) {
        model.bytes(8, new ProtoWriter().bytes(1, domain).int(2, version))
      }
      return model.finish()
    },
  }
  return graph
}

type Node = NodeOptions & {
  readonly op: string
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
}

function nodeMessage(
  { op, inputs, outputs, attributes = {}, domain = '' }: Node,
  at: number,
  renamed: ReadonlyMap<OnnxValue, string>,
): ProtoWriter {
  const message = new ProtoWriter()
  for (const value of inputs) message.bytes(1, renamed.get(value) ?? value)
  for (const value of outputs) message.bytes(2, renamed.get(value) ?? value)
  message.bytes(3, `${op}_${at}`).bytes(4, op)
  for (const [key, value] of Object.entries(attributes)) message.bytes(5, attribute(key, value))
  return domain === '' ? message : message.bytes(7, domain)
}

function tensorHead(name: string, dtype: Dtype, shape: readonly number[]): ProtoWriter {
  const tensor = new ProtoWriter()
  for (const size of shape) tensor.int(1, size)
  return tensor.int(2, DATA_TYPE[dtype]).bytes(8, name)
}

function valueInfo(name: string, dtype: Dtype, shape: readonly OnnxDim[]): ProtoWriter {
  const dims = new ProtoWriter()
  for (const dim of shape) {
    const message = new ProtoWriter()
    dims.bytes(1, typeof dim === 'number' ? message.int(1, dim) : message.bytes(2, dim))
  }
  const tensor = new ProtoWriter().int(1, DATA_TYPE[dtype]).bytes(2, dims)
  return new ProtoWriter().bytes(1, name).bytes(2, new ProtoWriter().bytes(1, tensor))
}

/** AttributeProto: field by kind, and `type` (20) as FLOAT 1, INT 2, STRING 3, INTS 7. */
function attribute(name: string, value: OnnxAttribute): ProtoWriter {
  const message = new ProtoWriter().bytes(1, name)
  if (typeof value === 'number') return message.int(3, value).int(20, 2)
  if (typeof value === 'string') return message.bytes(4, value).int(20, 3)
  if ('float' in value) return message.float(2, value.float).int(20, 1)
  for (const item of value) message.int(8, item)
  return message.int(20, 7)
}
