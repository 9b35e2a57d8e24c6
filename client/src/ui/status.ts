import type { SessionStatus } from '../../../core/protocol/index.ts'

/** A run's status, for people. */
export const statusText: Readonly<Record<SessionStatus, string>> = {
  pending: 'starting',
  active: 'live',
  paused: 'paused',
  completed: 'finished',
  failed: 'stopped by an error',
}
