import type { RoomEventName, SessionStatus } from './protocol/index.ts'

/**
 * The life of a session: pending → active ⇄ paused → completed, or failed. Any other transition fails
 * with `conflict`.
 */
export const transitions = {
  start: { from: ['pending'], to: 'active', event: 'training-started' },
  pause: { from: ['active'], to: 'paused', event: 'training-paused' },
  resume: { from: ['paused'], to: 'active', event: 'training-resumed' },
  /** A person's decision. The run keeps its last committed step. */
  stop: { from: ['pending', 'active', 'paused'], to: 'completed', event: 'training-completed' },
  /** The trainer's: every step is done. */
  complete: { from: ['active'], to: 'completed', event: 'training-completed' },
  /** The trainer's: this run cannot continue. */
  fail: { from: ['pending', 'active', 'paused'], to: 'failed', event: 'training-failed' },
} as const satisfies Record<string, { from: SessionStatus[]; to: SessionStatus; event: RoomEventName }>
export type Transition = keyof typeof transitions

/** The session has reached a final state. */
export const hasEnded = (status: SessionStatus): boolean => status === 'completed' || status === 'failed'
