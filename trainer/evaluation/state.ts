/** What a run keeps from one evaluation to the next, and its form in a checkpoint. */
import { z } from 'zod'
import { exactDiv } from '../../lm/graph/index.ts'

/** One answer to each of the prompts, in their order. */
export interface Answers {
  /** Of the step whose weights gave them. */
  step: number
  texts: string[]
  /** Of the reward model, one row an answer (`ReferenceView.features`). */
  features: Float32Array[]
}

export interface EvaluationState {
  prompts: readonly string[]
  /** The reference policy's, given once; null for a run that was not evaluated from its start. */
  reference: Answers | null
  /** Those of the best evaluation so far; null before the first. */
  best: Answers | null
}

const SavedAnswers = z.object({ step: z.int(), texts: z.array(z.string()) })
export const SavedEvaluation = z.object({
  prompts: z.array(z.string()),
  reference: SavedAnswers.nullable(),
  best: SavedAnswers.nullable(),
})
export type SavedEvaluation = z.output<typeof SavedEvaluation>

/** `json` belongs into the checkpoint's state, `arrays` among its tensors. */
export function exportEvaluation({ prompts, reference, best }: EvaluationState): {
  json: SavedEvaluation
  arrays: Map<string, Float32Array>
} {
  const arrays = new Map<string, Float32Array>()
  if (reference) arrays.set('reference', joined(reference.features))
  if (best) arrays.set('best', joined(best.features))
  return { json: { prompts: [...prompts], reference: namedOf(reference), best: namedOf(best) }, arrays }
}

export function importEvaluation(json: SavedEvaluation, arrays: ReadonlyMap<string, Float32Array>): EvaluationState {
  const answers = (saved: SavedEvaluation['best'], name: string): Answers | null => {
    if (saved === null) return null
    const all = arrays.get(name)
    if (all === undefined) throw new Error(`the checkpoint holds no features of the evaluation’s ${name} answers`)
    return { ...saved, features: rows(all, saved.texts.length) }
  }
  return {
    prompts: json.prompts,
    reference: answers(json.reference, 'reference'),
    best: answers(json.best, 'best'),
  }
}

const namedOf = (answers: Answers | null): SavedEvaluation['best'] =>
  answers && { step: answers.step, texts: answers.texts }

function joined(features: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(features.reduce((total, row) => total + row.length, 0))
  let at = 0
  for (const row of features) {
    all.set(row, at)
    at += row.length
  }
  return all
}

function rows(all: Float32Array, count: number): Float32Array[] {
  const width = exactDiv(all.length, count, 'features by answers')
  return Array.from({ length: count }, (_, i) => all.slice(i * width, (i + 1) * width))
}
