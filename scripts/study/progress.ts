/** One progress bar for a study of several runs; in a log, a line now and then. */
import { Presets, SingleBar } from 'cli-progress'

export interface StudyProgress {
  /** `done`: of this run, 0…1. */
  report: (run: number, done: number, doing: string) => void
  stop: () => void
}

/** A log gets a line this often, milliseconds. */
const LOG_MS = 15_000

export function openProgress(runs: number, nameOf: (run: number) => string): StudyProgress {
  const bar = new SingleBar(
    {
      format: '{bar} {percentage} % | {name}: {doing}',
      barsize: 20,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: LOG_MS,
      stopOnComplete: false,
      forceRedraw: true,
    },
    Presets.shades_classic,
  )
  bar.start(1_000, 0, { name: nameOf(0), doing: 'starting' })
  return {
    report: (run, done, doing) => bar.update(Math.round((1_000 * (run + done)) / runs), { name: nameOf(run), doing }),
    stop: () => bar.stop(),
  }
}
