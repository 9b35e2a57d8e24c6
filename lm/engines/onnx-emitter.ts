import { sizeOf, type HostType, type OpName, type Tensor } from '../graph/index.ts'
import {
  bytesOf,
  elementTypes,
  type Attributes,
  type ElementType,
  type OnnxGraph,
  type OnnxValue,
} from './onnx-format.ts'

/** How each operation is lowered. */
export type Table = { [K in OpName]: Lowering<K> }
export type Lowering<K extends OpName> = (e: Emitter, node: Tensor<K>, inputs: string[]) => string

/** An ONNX graph under construction; every `emit` returns the name of the value it adds. */
export class Emitter {
  readonly graph: OnnxGraph = { nodes: [], constants: [], inputs: [], outputs: [] as OnnxValue[] }
  private readonly names = new Map<Tensor, string>()
  private readonly made = new Map<string, string>()
  private count = 0

  lower<K extends OpName>(node: Tensor<K>, table: Table): void {
    const entry: Lowering<K> = table[node.op]
    this.names.set(
      node,
      entry(
        this,
        node,
        node.inputs.map((input) => this.nameOf(input)),
      ),
    )
  }

  /** The `sum` of a product and a bias, as the product with one more input. */
  lowerBiased(sum: Tensor, product: Tensor<'matmul'>, table: Table): void {
    const inputs = [...product.inputs, ...sum.inputs.slice(1)]
    this.names.set(
      sum,
      table.matmul(
        this,
        product,
        inputs.map((input) => this.nameOf(input)),
      ),
    )
  }

  nameOf(node: Tensor): string {
    const name = this.names.get(node)
    if (name === undefined) throw new Error(`${node.op} is read before it is computed`)
    return name
  }

  fresh(): string {
    return `t${this.count++}`
  }

  emit(opType: string, inputs: string[], attributes: Attributes = {}, output = this.fresh(), domain = ''): string {
    return this.emitMany(opType, inputs, attributes, [output], domain)
  }

  emitMany(
    opType: string,
    inputs: string[],
    attributes: Attributes,
    outputs: [string, ...string[]],
    domain = '',
  ): string {
    this.graph.nodes.push({ opType, domain, inputs, outputs, attributes })
    return outputs[0]
  }

  constant(type: ElementType, shape: readonly number[], data: Uint8Array): string {
    const name = this.fresh()
    this.graph.constants.push({ name, type, shape, data })
    return name
  }

  /** int64 values, as ONNX requires for shapes and axes; equal ones share a constant. */
  longs(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.once(`int64 ${shape}: ${values}`, () =>
      this.constant('int64', shape, bytesOf(BigInt64Array.from(values, BigInt))),
    )
  }

  /** The value that `make` emitted when this key was first asked for. */
  once(key: string, make: () => string): string {
    const name = this.made.get(key) ?? make()
    this.made.set(key, name)
    return name
  }

  float(value: number): string {
    return this.constant('float32', [], bytesOf(Float32Array.of(value)))
  }

  cast(name: string, type: ElementType): string {
    return this.emit('Cast', [name], { to: { i: elementTypes[type] } })
  }

  zeros(dtype: HostType, shape: readonly number[]): string {
    return this.constant(dtype, shape, new Uint8Array(sizeOf(shape) * (dtype === 'bool' ? 1 : 4)))
  }
}
