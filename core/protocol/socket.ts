/** The Socket.IO surface: client events, their acknowledgements, and what the server emits. */
import { z } from 'zod'
import type { ErrorCode } from './rest.ts'
import { Seq, SessionId, Uuid } from './pieces.ts'
import { limits } from './limits.ts'
import type { Receipt } from './votes.ts'
import { BeginVote, Vote } from './votes.ts'
import type { CrowdValue, MyVote } from './samples.ts'
import { type RoomEventName, type RoomEvents } from './events.ts'
import type { SessionSnapshot } from './sessions.ts'

/** How every client event is answered (rule P2). */
export type Ack<T = unknown> =
  | { ok: true; data: T }
  | {
      ok: false
      code: ErrorCode
      message: string
      /** The field that failed, if any. */
      path?: string
    }

export const JoinSession = z.union([
  SessionId.transform((sessionId) => ({ sessionId, since: undefined as string | undefined })),
  /** `since`: the last seq seen; missed events follow, or a snapshot if the log no longer reaches back. */
  z.object({ sessionId: SessionId, since: Seq.optional() }),
])

/** A socket's next access token, of the same person. */
export const Authenticate = z.object({ token: z.string().min(1).max(4_000) })

export const Ask = z.object({ sessionId: SessionId, prompt: z.string().trim().min(1).max(limits.promptChars) })

export const clientEvents = {
  'join-session': JoinSession,
  'leave-session': SessionId,
  /** The reader begins a vote on an open sample. */
  'begin-vote': BeginVote,
  'submit-feedback': Vote,
  'withdraw-feedback': Uuid,
  'subscribe-metrics': SessionId,
  'unsubscribe-metrics': SessionId,
  ask: Ask,
  authenticate: Authenticate,
} as const

export type ClientEventName = keyof typeof clientEvents

/** The data of each acknowledgement. */
export interface AckData {
  /** A `session-snapshot` event or the missed events precede the acknowledgement. */
  'join-session': { sessionId: string; seq: string; caughtUp: boolean }
  'leave-session': { sessionId: string }
  /**
   * For how long the vote counts as on time after voting has closed, milliseconds; null: it was not begun in time, or
   * others have to be cast first.
   */
  'begin-vote': { sampleId: string; countsForMs: number | null }
  /** `late`: voting on the sample had closed, and the vote was not begun in time. */
  'submit-feedback': {
    id: string
    sampleId: string | null
    value: number
    crowd: CrowdValue | null
    duplicate: boolean
    late?: true
  }
  'withdraw-feedback': { id: string }
  'subscribe-metrics': { sessionId: string }
  'unsubscribe-metrics': { sessionId: string }
  ask: { sampleId: string }
  /** Until when the socket is valid for this person without another token. */
  authenticate: { userId: string; expiresAt: string }
}

export type ClientToServer = {
  [E in ClientEventName]: (body: z.input<(typeof clientEvents)[E]>, ack?: (answer: Ack<AckData[E]>) => void) => void
}

export type ServerToClient = {
  [E in RoomEventName]: (payload: RoomEvents[E] & { seq: string }) => void
} & {
  'session-snapshot': (snapshot: SessionSnapshot) => void
  presence: (payload: { sessionId: string; raters: number }) => void
  /** To the vote's author alone. */
  receipt: (receipt: Receipt) => void
  /**
   * To the vote's author alone, on every connection of theirs: their standing vote on a sample, null where they have
   * withdrawn it.
   */
  'own-vote': (payload: { sessionId: string; sampleId: string; mine: MyVote | null }) => void
  /** To the vote's author alone: its epoch is on the chain. */
  recorded: (payload: { feedbackId: string; epochId: number; txHash: string }) => void
  /** To the person alone: they may no longer vote in this session, or may again. */
  exclusion: (payload: { sessionId: string; excluded: boolean; reason: string | null }) => void
  'feedback-error': (payload: { error: string; code: ErrorCode; path?: string }) => void
}
