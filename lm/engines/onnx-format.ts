/**
 * The part of the ONNX file format (onnx.proto, IR version 10) that a lowered
 * graph needs, encoded with protobufjs.
 */
import protobuf from 'protobufjs'
import type { DType, Shape, TensorData } from '../graph/index.ts'

export interface OnnxNode {
  opType: string
  domain: string
  inputs: string[]
  outputs: string[]
  attributes: Attributes
}
export type Attributes = Readonly<Record<string, Attribute>>
export type Attribute = { i: number } | { f: number } | { ints: readonly number[] } | { s: string }
/** A size by name is any size, and no shape is any shape. */
export interface OnnxValue {
  name: string
  dtype: ElementType
  shape: readonly (number | string)[] | null
}
export interface OnnxConstant {
  name: string
  type: ElementType
  shape: Shape
  data: Uint8Array
}
export interface OnnxGraph {
  nodes: OnnxNode[]
  constants: OnnxConstant[]
  inputs: OnnxValue[]
  outputs: OnnxValue[]
}
export type ElementType = DType | 'int64'

/** ONNX's TensorProto.DataType numbers. */
export const elementTypes: Record<ElementType, number> = { float32: 1, int32: 6, int64: 7, bool: 9, float16: 10 }

/** The graph as the bytes of an ONNX model. */
export function encodeModel(graph: OnnxGraph): Uint8Array {
  const message = Model.create({
    irVersion: 10,
    producerName: 'attune',
    opsetImport: [
      { domain: '', version: 20 },
      { domain: 'com.microsoft', version: 1 },
    ],
    graph: {
      name: 'graph',
      node: graph.nodes.map((node, i) => ({
        name: `${node.opType}_${i}`,
        opType: node.opType,
        domain: node.domain,
        input: node.inputs,
        output: node.outputs,
        attribute: Object.entries(node.attributes).map(([name, value]) => encodeAttribute(name, value)),
      })),
      initializer: graph.constants.map(({ name, type, shape, data }) => ({
        name,
        dims: shape,
        dataType: elementTypes[type],
        rawData: data,
      })),
      input: graph.inputs.map(encodeValue),
      output: graph.outputs.map(encodeValue),
    },
  })
  return Model.encode(message).finish()
}

export function bytesOf(data: TensorData | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function encodeAttribute(name: string, value: Attribute): object {
  if ('i' in value) return { name, type: 2, i: value.i }
  if ('f' in value) return { name, type: 1, f: value.f }
  if ('s' in value) return { name, type: 3, s: new TextEncoder().encode(value.s) }
  return { name, type: 7, ints: value.ints }
}

function encodeValue({ name, dtype, shape }: OnnxValue): object {
  const sizes = shape && {
    shape: { dim: shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size })) },
  }
  return { name, type: { tensorType: { elemType: elementTypes[dtype], ...sizes } } }
}

const field = (type: string, id: number) => ({ type, id })
const repeated = (type: string, id: number, packed = true) => ({ rule: 'repeated', type, id, options: { packed } })

const Model = protobuf.Root.fromJSON({
  nested: {
    Model: {
      fields: {
        irVersion: field('int64', 1),
        producerName: field('string', 2),
        graph: field('GraphProto', 7),
        opsetImport: repeated('OperatorSet', 8),
      },
    },
    OperatorSet: { fields: { domain: field('string', 1), version: field('int64', 2) } },
    GraphProto: {
      fields: {
        node: repeated('Node', 1),
        name: field('string', 2),
        initializer: repeated('TensorProto', 5),
        input: repeated('ValueInfo', 11),
        output: repeated('ValueInfo', 12),
      },
    },
    Node: {
      fields: {
        input: repeated('string', 1),
        output: repeated('string', 2),
        name: field('string', 3),
        opType: field('string', 4),
        attribute: repeated('AttributeProto', 5),
        domain: field('string', 7),
      },
    },
    AttributeProto: {
      fields: {
        name: field('string', 1),
        f: field('float', 2),
        i: field('int64', 3),
        s: field('bytes', 4),
        ints: repeated('int64', 8, false),
        type: field('int32', 20),
      },
    },
    TensorProto: {
      fields: {
        dims: repeated('int64', 1, false),
        dataType: field('int32', 2),
        name: field('string', 8),
        rawData: field('bytes', 9),
      },
    },
    ValueInfo: { fields: { name: field('string', 1), type: field('TypeProto', 2) } },
    TypeProto: { fields: { tensorType: field('TensorType', 1) } },
    TensorType: { fields: { elemType: field('int32', 1), shape: field('ShapeProto', 2) } },
    ShapeProto: { fields: { dim: repeated('Dimension', 1) } },
    Dimension: { fields: { dimValue: field('int64', 1), dimParam: field('string', 2) } },
  },
}).lookupType('Model')
