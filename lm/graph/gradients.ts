/**
 * Reverse-mode differentiation from graph to graph: the gradients are tensors
 * of the same language, so forward, backward and update compile as one.
 */
import { sameShape, type Tensor } from './tensor.ts'
import { add } from './elementwise.ts'
import { constant } from './leaves.ts'
import { concat } from './shape.ts'

/**
 * d loss / d of each of `sources`, in their order. The loss is a scalar; a source it doesn't depend on gets zeros.
 * Every gradient is multiplied by `scale`, a scalar.
 */
export function gradients(loss: Tensor, sources: readonly Tensor[], scale: Tensor = constant(1)): Tensor[] {
  if (loss.shape.length !== 0) throw new Error(`gradients: a loss is a scalar, not [${loss.shape}]`)
  const order = topological([loss])
  const relevant = new Set<Tensor>(sources)
  for (const node of order) {
    if (node.backward && node.inputs.some((input) => relevant.has(input))) relevant.add(node)
  }
  const arrived = new Map<Tensor, Tensor[]>([[loss, [scale]]])
  const found = new Map<Tensor, Tensor>()
  for (const node of order.toReversed()) {
    const parts = arrived.get(node)
    if (!parts || !relevant.has(node)) continue
    const total = accumulate(parts)
    found.set(node, total)
    node.backward?.(total, node).forEach((part, i) => {
      const input = node.inputs[i]
      if (!part || !input || !relevant.has(input)) return
      if (!sameShape(part.shape, input.shape))
        throw new Error(`gradients: ${node.op} gave [${part.shape}] for an input of [${input.shape}]`)
      const list = arrived.get(input)
      if (list) list.push(part)
      else arrived.set(input, [part])
    })
  }
  return sources.map((source) => found.get(source) ?? constant(0, source.shape))
}

/** Everything that `roots` are computed from, each tensor after its inputs; the order depends on the graph alone. */
export function topological(roots: readonly Tensor[]): Tensor[] {
  const order: Tensor[] = []
  const seen = new Set<Tensor>()
  const stack = roots.toReversed().map((node) => ({ node, next: 0 }))
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const input = top.node.inputs[top.next++]
    if (seen.has(top.node)) stack.pop()
    else if (!input) {
      seen.add(top.node)
      order.push(top.node)
      stack.pop()
    } else if (!seen.has(input)) stack.push({ node: input, next: 0 })
  }
  return order
}

/** The sum of the contributions. Padded slices that tile one axis are concatenated instead of added. */
function accumulate(parts: readonly Tensor[]): Tensor {
  return parts.length > 1 ? (tiled(parts) ?? parts.reduce((sum, part) => add(sum, part))) : parts.reduce((sum) => sum)
}

function tiled(parts: readonly Tensor[]): Tensor | undefined {
  const pieces = parts.flatMap((part) => (isPad(part) ? padAlongOneAxis(part) : []))
  const [first] = pieces
  if (!first || pieces.length !== parts.length || pieces.some((piece) => piece.axis !== first.axis)) return undefined
  pieces.sort((a, b) => a.start - b.start)
  let end = 0
  for (const piece of pieces) {
    if (piece.start !== end) return undefined
    end = piece.end
  }
  return end === first.total
    ? concat(
        pieces.map((piece) => piece.inner),
        first.axis,
      )
    : undefined
}

function isPad(node: Tensor): node is Tensor<'pad'> {
  return node.op === 'pad'
}

function padAlongOneAxis(node: Tensor<'pad'>) {
  const [inner] = node.inputs
  const { before, after } = node.attributes
  const axes = before.flatMap((size, i) => (size > 0 || (after[i] ?? 0) > 0 ? [i] : []))
  const [axis] = axes
  if (!inner || axis === undefined || axes.length !== 1) return []
  const start = before[axis] ?? 0
  return [{ inner, axis, start, end: start + (inner.shape[axis] ?? 0), total: node.shape[axis] ?? 0 }]
}
