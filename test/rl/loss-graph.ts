/** Runs a loss's graph on ragged rows, so that it can be held to its form in plain arrays. */
import fc from 'fast-check'
import { leavesOf, type Engine } from '../../lm/engines/engine.ts'
import { Graph, gradients, type Tensor } from '../../lm/graph/index.ts'

type Rows = readonly (readonly number[])[]

export interface LossRun {
  /** Ragged, by name; `newLogprobs` is what the gradient is taken for. */
  tables: Readonly<Record<string, Rows>> & { newLogprobs: Rows }
  /** One number a row, by name. */
  rows?: Readonly<Record<string, readonly number[]>>
  /** One number in all, by name. */
  wholes: Readonly<Record<string, number>>
  /** Micro-batches that the rows are cut into. */
  parts: number
  loss: (tensors: Readonly<Record<LossInput, Tensor>>) => Record<string, Tensor>
}
/** What losses read by name; each has those that the run gives it. */
type LossInput =
  | 'newLogprobs'
  | 'oldLogprobs'
  | 'referenceLogprobs'
  | 'advantages'
  | 'labels'
  | 'weights'
  | 'entropies'
  | 'mask'
  | 'tokens'
  | 'responses'
  | 'klCoefficient'

/** What stands where nothing is: no loss may see it. */
const PADDING = 7

/** The outputs, summed over the parts, and the gradient of `totalLoss` for `newLogprobs`, ragged again. */
export async function runLoss(
  engine: Engine,
  run: LossRun,
): Promise<{ loss: Record<string, number>; gradient: number[][] }> {
  const lengths = run.tables.newLogprobs.map((row) => row.length)
  const [count, width] = [lengths.length / run.parts, Math.max(...lengths) + 2]
  const graph = new Graph()
  const names = Object.keys(run.tables)
  const tensors = Object.fromEntries([...names, 'mask'].map((name) => [name, graph.input(name, [count, width])]))
  for (const name of Object.keys(run.rows ?? {})) tensors[name] = graph.input(name, [count])
  for (const name of Object.keys(run.wholes)) tensors[name] = graph.input(name, [])
  const losses = run.loss(tensors as Record<LossInput, Tensor>)
  for (const [name, value] of Object.entries(losses)) graph.output(name, value)
  graph.output('gradient', gradients(losses.totalLoss!, [tensors.newLogprobs!])[0]!)
  const program = await engine.compile(graph)
  const read = leavesOf(graph, 'input')

  const loss: Record<string, number> = {}
  const gradient: number[][] = []
  for (let start = 0; start < lengths.length; start += count) {
    const part = <T>(all: readonly T[]) => all.slice(start, start + count)
    const padded = (rows: Rows, filler: number) =>
      part(rows).flatMap((row) => [...row, ...new Array<number>(width - row.length).fill(filler)])
    const values = {
      ...Object.fromEntries(names.map((name) => [name, padded(run.tables[name]!, PADDING)])),
      ...Object.fromEntries(Object.entries(run.rows ?? {}).map(([name, values]) => [name, part(values)])),
      mask: padded(
        lengths.map((n) => new Array<number>(n).fill(1)),
        0,
      ),
      ...run.wholes,
    }
    const outputs = await program.run(Object.fromEntries(Object.entries(values).filter(([name]) => read.has(name))))
    for (const name of Object.keys(losses)) loss[name] = (loss[name] ?? 0) + outputs.scalar(name)
    const slopes = outputs.float32('gradient')
    part(lengths).forEach((n, b) => gradient.push([...slopes.subarray(b * width, b * width + n)]))
  }
  await program.dispose()
  return { loss, gradient }
}

/** The gradient of a loss in plain arrays, by central differences. */
export function slopesOf(rows: Rows, loss: (rows: number[][]) => number): number[][] {
  const step = 1e-5
  const shifted = (b: number, t: number, by: number) =>
    loss(rows.map((row, i) => row.map((x, j) => x + (i === b && j === t ? by : 0))))
  return rows.map((row, b) => row.map((_, t) => (shifted(b, t, step) - shifted(b, t, -step)) / (2 * step)))
}

/** Multiples of 1/64: float32 holds them exactly, and none lies at a bound where a loss has no gradient. */
const sixtyFourths = (min: number, max: number) => fc.integer({ min: 64 * min, max: 64 * max }).map((n) => n / 64)
const logprob = sixtyFourths(-4, 0)

/** A random minibatch of `count` responses: log-probabilities of three policies and an advantage a token. */
export const minibatch = (count: number) =>
  fc
    .array(fc.array(fc.tuple(logprob, logprob, logprob, sixtyFourths(-3, 3)), { minLength: 1, maxLength: 5 }), {
      minLength: count,
      maxLength: count,
    })
    .map((rows) => {
      const column = (k: 0 | 1 | 2 | 3) => rows.map((row) => row.map((token) => token[k]))
      return {
        newLogprobs: column(0),
        oldLogprobs: column(1),
        referenceLogprobs: column(2),
        advantages: column(3),
      }
    })
