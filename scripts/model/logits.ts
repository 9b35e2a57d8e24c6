import { Graph } from '../../lm/graph/index.ts'
import { loadWeights, readModel } from '../../lm/files/directory.ts'
import { checkIds, hiddenStates, nextLogits, tokenFeeds, tokenInputs } from '../../lm/architectures/forward.ts'
import { engineOptions, idsOf, Misuse, parse, withEngine, type Surroundings } from './arguments.ts'

/** One row of V next-token logits for each given token. */
export async function logits(args: readonly string[], around: Surroundings): Promise<{ logits: number[][] }> {
  const { values, positional: directory } = parse(
    args,
    { ...engineOptions, ids: { type: 'string' } },
    'model directory',
  )
  if (values.ids === undefined) throw new Misuse('logits needs --ids')
  const ids = idsOf('--ids', values.ids)
  const model = await readModel(directory)
  checkIds(model.architecture, ids, '--ids')
  return withEngine(around, values, async (engine) => {
    loadWeights(engine.states, model)
    const graph = new Graph()
    graph.output('logits', nextLogits(graph, model, hiddenStates(graph, model, tokenInputs(graph, 1, ids.length))))
    const program = await engine.compile(graph)
    const outputs = await program.run(tokenFeeds(Int32Array.from(ids), new Int32Array(ids.length).fill(1), ids.length))
    const all = outputs.float32('logits') // [1, T, V]
    const { vocabSize } = model.architecture
    return { logits: ids.map((_, t) => Array.from(all.subarray(t * vocabSize, (t + 1) * vocabSize))) }
  })
}
