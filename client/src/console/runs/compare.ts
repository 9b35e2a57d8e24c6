/** Runs side by side: settings, answers. Pure. */
import type { EvaluationAnswer, TrainingConfig } from '../../../../core/protocol/index.ts'
import { groups } from './settings.ts'
import type { Table } from '../tables/table-file.ts'

export interface Difference {
  /** In the configuration, with dots. */
  path: string
  /** As the console names it, or the path. */
  label: string
  /** Of each run, as text. */
  values: string[]
}

/** The settings in which runs differ, in the schema's order. */
export function differences(configurations: readonly TrainingConfig[]): Difference[] {
  const labels = new Map(groups.flatMap((group) => group.settings).map(({ path, label }) => [path.join('.'), label]))
  const all = configurations.map((configuration) => leavesOf(configuration))
  return [...new Set(all.flatMap((leaves) => [...leaves.keys()]))]
    .map((path) => ({
      path,
      label: labels.get(path) ?? path,
      values: all.map((leaves) => leaves.get(path) ?? '–'),
    }))
    .filter(({ values }) => new Set(values).size > 1)
}

/** @param names of the runs, in their order */
export const differencesTable = (found: readonly Difference[], names: readonly string[]): Table => ({
  columns: ['setting', ...names],
  rows: found.map(({ path, values }) => [path, ...values]),
})

/** The values of a configuration by their paths, as text; a list is one value. */
export function leavesOf(tree: object, path: readonly string[] = []): Map<string, string> {
  return new Map(
    Object.entries(tree).flatMap(([key, value]: [string, unknown]): [string, string][] => {
      const here = [...path, key]
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) return [...leavesOf(value, here)]
      return value === undefined ? [] : [[here.join('.'), typeof value === 'string' ? value : JSON.stringify(value)]]
    }),
  )
}

export interface ComparedAnswer {
  prompt: string
  a: EvaluationAnswer
  b: EvaluationAnswer
}

/** The answers of both to the same prompts, in the order of the first. */
export function sameAnswers(a: readonly EvaluationAnswer[], b: readonly EvaluationAnswer[]): ComparedAnswer[] {
  const ofB = new Map(b.map((answer) => [answer.prompt, answer]))
  return a.flatMap((answer) => {
    const other = ofB.get(answer.prompt)
    return other === undefined ? [] : [{ prompt: answer.prompt, a: answer, b: other }]
  })
}

export const answersTable = (answers: readonly ComparedAnswer[]): Table => ({
  columns: ['prompt', 'answer_a', 'value_a', 'answer_b', 'value_b', 'untrained'],
  rows: answers.map(({ prompt, a, b }) => [
    ...[prompt, a.answer, a.value, b.answer, b.value],
    (a.reference ?? b.reference)?.answer ?? null,
  ]),
})
