/** What a run is doing, in the few words of the room's status line. Pure. */
import type { SessionStatus } from '../../../core/protocol/index.ts'
import { ordinal } from '../ui/format.ts'
import type { Phase } from './state.ts'

/** Voting and learning take turns each second and are one activity to people: the model learns while they vote. */
export type Activity =
  Exclude<SessionStatus, 'active'> | 'queued' | 'writing' | 'learning' | 'settling' | 'waiting' | 'restoring'

/** @param waits votes wait until they can't be withdrawn: what happens between two steps is one activity there, too */
export function activityOf({
  status,
  phase,
  waits,
}: {
  status: SessionStatus
  phase: Phase | null
  waits: boolean
}): Activity {
  if (status !== 'active') return status
  switch (phase?.phase) {
    case 'queued':
    case 'settling':
    case 'restoring':
      return phase.phase
    case 'waiting-for-votes':
      return 'waiting'
    case 'voting':
    case 'learning':
      return waits ? 'settling' : 'learning'
    case 'generating':
    case undefined:
      return 'writing'
  }
}

export function wordsOf(
  activity: Activity,
  about: { error: string | null; pauseReason: string | null; position: number | undefined },
): string {
  switch (activity) {
    case 'pending':
      return 'The run is starting.'
    case 'paused':
      return about.pauseReason
        ? `The run paused automatically. ${about.pauseReason}`
        : 'Paused by the researcher. Open answers can still be voted on.'
    case 'completed':
      return 'This run is finished. Its answers can still be read.'
    case 'failed':
      return `The run was stopped by an error${about.error ? `: ${about.error}` : '.'}`
    case 'queued':
      return `Queued${about.position === undefined ? '' : `, ${ordinal(about.position)} in line`}: the trainers are busy with other runs. Open answers can still be voted on.`
    case 'writing':
      return 'The model is writing its first answers'
    case 'learning':
      return 'Learning as you vote'
    case 'settling':
      return 'Learning as you vote: from each vote ten seconds later'
    case 'waiting':
      return 'Waiting for votes: the model learns as soon as somebody votes'
    case 'restoring':
      return 'Making steps again, without a vote that was withdrawn'
  }
}
