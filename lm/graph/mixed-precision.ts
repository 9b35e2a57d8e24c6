/**
 * Mixed precision (Micikevicius et al. 2018) as a transformation of a finished graph: products of matrices are
 * computed in float16, all else stays in float32 as in torch's autocast: norms, softmax, losses, sums, the optimizer.
 * So do states, inputs and outputs: the master weights are float32, and are rounded at every run.
 */
import { cast, mul } from './elementwise.ts'
import { Graph } from './graph.ts'
import { matmul } from './linear.ts'
import { hostType, sizeOf, tensor, type Tensor } from './tensor.ts'

/** The same graph with its float32 products in float16. An operand is rounded once, however many products read it. */
export function mixedPrecision(graph: Graph): Graph {
  const result = new Graph()
  const made = new Map<Tensor, Tensor>()
  const halves = new Map<Tensor, Tensor>()
  const half = (x: Tensor): Tensor => {
    const known = halves.get(x) ?? cast(x, 'float16')
    halves.set(x, known)
    return known
  }
  const remake = (node: Tensor): Tensor => {
    if (isInput(node)) return result.input(node.attributes.name, node.shape, hostType(node))
    if (isState(node)) return result.state(node.attributes.name, node.shape)
    const inputs = node.inputs.map((input) => found(made, input))
    if (isProduct(node)) return product(node, inputs, half)
    return inputs.every((input, i) => input === node.inputs[i]) ? node : tensor({ ...node, inputs, backward: null })
  }
  for (const node of graph.nodes()) made.set(node, remake(node))
  for (const [name, value] of graph.outputs) result.output(name, found(made, value))
  for (const [name, value] of graph.updates) {
    result.state(name, value.shape)
    result.update(name, found(made, value))
  }
  return result
}

/**
 * A float16 product, cast back to float32. A factor below 1 is applied to the smaller operand beforehand, a
 * greater one to the result in float32: neither makes the product overflow.
 */
function product(
  { attributes: { alpha, ...transposed } }: Tensor<'matmul'>,
  [a, b]: readonly Tensor[],
  half: (x: Tensor) => Tensor,
): Tensor {
  if (!a || !b) throw new Error('a product has two operands')
  const before = Math.abs(alpha) < 1
  const [x, y] = !before ? [a, b] : sizeOf(a.shape) < sizeOf(b.shape) ? [mul(a, alpha), b] : [a, mul(b, alpha)]
  const whole = cast(matmul(half(x), half(y), transposed), 'float32')
  return before || alpha === 1 ? whole : mul(whole, alpha)
}

function found(made: ReadonlyMap<Tensor, Tensor>, node: Tensor): Tensor {
  const remade = made.get(node)
  if (!remade) throw new Error(`${node.op} is read before it is computed`)
  return remade
}

const isInput = (node: Tensor): node is Tensor<'input'> => node.op === 'input'
const isState = (node: Tensor): node is Tensor<'state'> => node.op === 'state'
const isProduct = (node: Tensor): node is Tensor<'matmul'> => node.op === 'matmul' && node.dtype === 'float32'
