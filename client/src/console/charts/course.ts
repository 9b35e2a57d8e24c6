/** Reads a run's course: all of its steps, however many, and its evaluations. */
import type { Evaluation, StepMetrics, TrainingSession } from '../../../../core/protocol/index.ts'
import type { Course } from './overlay.ts'

/** A request for what a path holds. */
export type Read = <T>(path: string) => Promise<T>

/** Steps that one request asks for: as many as the server gives. */
const PAGE = 10_000

/** Steps that are read again, since the latest ones may be made anew without a vote that was withdrawn. */
const REMADE = 60

/** @param known what was read of it before @throws ApiError */
export async function readCourse(
  read: Read,
  { id, currentStep }: Pick<TrainingSession, 'id' | 'currentStep'>,
  known: Course | undefined,
): Promise<Course> {
  const [steps, evaluations] = await Promise.all([
    readSteps(read, id, currentStep, known?.steps ?? []),
    read<Evaluation[]>(`/api/training/${id}/evaluations`),
  ])
  return { steps, evaluations }
}

async function readSteps(
  read: Read,
  id: string,
  currentStep: number,
  known: readonly StepMetrics[],
): Promise<StepMetrics[]> {
  // A run that was taken back begins anew from an earlier step.
  const from = Math.max(0, Math.min(known.at(-1)?.step ?? 0, currentStep) - REMADE)
  const steps = known.filter(({ step }) => step <= from)
  for (;;) {
    const since = steps.at(-1)?.step ?? 0
    const page = await read<StepMetrics[]>(`/api/metrics/${id}?since=${since}&limit=${PAGE}`)
    for (const step of page) steps.push(step)
    if (page.length < PAGE) return steps
  }
}
