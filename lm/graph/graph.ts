/** What an engine compiles: named outputs, named state updates, and everything that these depend on. */
import { sameShape, type HostType, type Shape, type Tensor } from './tensor.ts'
import { topological } from './gradients.ts'
import { input, state } from './leaves.ts'

export class Graph {
  private readonly leaves = new Map<string, Tensor>()
  readonly outputs = new Map<string, Tensor>()
  readonly updates = new Map<string, Tensor>()

  /** A value fed to every run; the same name gives the same tensor. */
  input(name: string, shape: Shape, dtype: HostType = 'float32'): Tensor {
    return this.leaf(name, input(name, shape, dtype))
  }

  /** A float32 value that the engine keeps between runs; the same name gives the same tensor. */
  state(name: string, shape: Shape): Tensor {
    return this.leaf(name, state(name, shape))
  }

  /** Return `value` from every run under `name`. */
  output(name: string, value: Tensor): void {
    if (this.outputs.has(name)) throw new Error(`output ${name} is set twice`)
    if (value.dtype === 'float16') throw new Error(`output ${name} is float16, which stays within a run; cast it`)
    this.outputs.set(name, value)
  }

  /** At the end of a run, state `name` becomes `value`; every read within the run sees the old one. */
  update(name: string, value: Tensor): void {
    const target = this.leaves.get(name)
    if (target?.op !== 'state') throw new Error(`update: no state ${name}`)
    if (value.dtype !== 'float32') throw new Error(`update: state ${name} is float32, not ${value.dtype}`)
    if (!sameShape(target.shape, value.shape))
      throw new Error(`update: state ${name} is [${target.shape}], not [${value.shape}]`)
    if (this.updates.has(name)) throw new Error(`state ${name} is updated twice`)
    this.updates.set(name, value)
  }

  /** Every tensor that a run needs, each after its inputs. */
  nodes(): Tensor[] {
    return topological([...this.outputs.values(), ...this.updates.values()])
  }

  /** How often each tensor is read: by operations, as an output, as a state's new value. */
  readers(): Map<Tensor, number> {
    const counts = new Map<Tensor, number>()
    for (const read of [
      ...this.nodes().flatMap(({ inputs }) => inputs),
      ...this.outputs.values(),
      ...this.updates.values(),
    ])
      counts.set(read, (counts.get(read) ?? 0) + 1)
    return counts
  }

  private leaf(name: string, made: Tensor): Tensor {
    const known = this.leaves.get(name)
    if (!known) {
      this.leaves.set(name, made)
      return made
    }
    if (known.op !== made.op || known.dtype !== made.dtype || !sameShape(known.shape, made.shape)) {
      throw new Error(
        `${name} is already ${known.op} ${known.dtype} [${known.shape}], not ${made.op} ${made.dtype} [${made.shape}]`,
      )
    }
    return known
  }
}
