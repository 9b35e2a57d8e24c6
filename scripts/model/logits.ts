import { Graph } from '../../lm/graph/index.ts'
import { loadWeights, readModel } from '../../lm/files/directory.ts'
import { checkIds, hiddenStates, nextLogits, tokenFeeds, tokenInputs } from '../../lm/architectures/forward.ts'
import { command } from '../cli/command.ts'
import { parsed } from '../cli/options.ts'
import { engineOptions, idsOf, modelDirectory, withEngine, type ModelCommand } from './surroundings.ts'

/** One row of V next-token logits for each given token. */
export const logits: ModelCommand = (around) =>
  command({
    name: 'logits',
    summary: 'next-token logits of token ids',
    detail: 'Gives {"logits": [[…], … one row a position]}.',
    takes: modelDirectory,
    options: { ...engineOptions, ids: parsed('IDS', 'token ids such as 5,6,7', idsOf) },
    async run({ ids, ...values }, [directory]) {
      const model = await readModel(directory)
      checkIds(model.architecture, ids, '--ids')
      return withEngine(around(), values, async (engine) => {
        loadWeights(engine.states, model)
        const graph = new Graph()
        graph.output('logits', nextLogits(graph, model, hiddenStates(graph, model, tokenInputs(graph, 1, ids.length))))
        const program = await engine.compile(graph)
        const outputs = await program.run(
          tokenFeeds(Int32Array.from(ids), new Int32Array(ids.length).fill(1), ids.length),
        )
        const all = outputs.float32('logits') // [1, T, V]
        const { vocabSize } = model.architecture
        return { logits: ids.map((_, t) => Array.from(all.subarray(t * vocabSize, (t + 1) * vocabSize))) }
      })
    },
  })
