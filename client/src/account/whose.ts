/** What the page says about sign-ins that have ended, and about votes waiting for their owner (rule S5). Pure. */
import type { Waiting } from '../room/outbox.ts'

export interface Who {
  userId: string
  username: string
  guest: boolean
  ended: boolean
}

export interface Note {
  key: string
  text: string
  /** What the reader can do about it. */
  offers: readonly ('sign-in' | 'sign-out' | 'go-on' | 'open' | 'discard' | 'acknowledge')[]
  /** Whose votes it is about; null: nobody's. */
  userId: string | null
  sessionId: string | null
}

export interface Situation {
  who: Who | null
  /** The guest account that this browser returns to after signing out. */
  guestBehind: string | null
  /** The guest that the server no longer knew. */
  replaces: string | null
  waiting: readonly Waiting[]
  /** The session whose room is open: it sends its own waiting votes. */
  sessionId: string | null
}

export function notesOf({ who, guestBehind, replaces, waiting, sessionId }: Situation): Note[] {
  const notes: Note[] = []
  if (who?.ended) {
    const own = waiting.filter(({ owner }) => owner?.userId === who.userId)
    const votes = own.reduce((sum, one) => sum + one.votes, 0)
    notes.push({
      key: 'ended',
      text: `Your sign-in has ended. Sign in again as ${who.username}${votes === 0 ? ', or continue as a guest.' : ` to send ${counted(votes)} that ${votes === 1 ? 'waits' : 'wait'}.`}`,
      offers: ['sign-in', 'go-on'],
      userId: who.userId,
      sessionId: own.at(0)?.sessionId ?? null,
    })
  }
  if (replaces !== null) {
    notes.push({
      key: 'replaced',
      text: `The server no longer knows ${replaces}, which this browser was signed in as; you are ${who?.username ?? 'a new guest'} now.`,
      offers: ['acknowledge'],
      userId: null,
      sessionId: null,
    })
  }
  for (const one of waiting) {
    if (one.owner?.userId === who?.userId && one.owner !== null) {
      if (who?.ended || one.sessionId === sessionId) continue
      notes.push({
        ...about(one),
        text: `${capital(counted(one.votes))} of yours ${one.votes === 1 ? 'waits' : 'wait'} to be sent: open the session.`,
        offers: ['open'],
      })
    } else notes.push({ ...about(one), ...forAnother(one, guestBehind) })
  }
  return notes
}

function forAnother({ owner, votes }: Waiting, guestBehind: string | null): Pick<Note, 'text' | 'offers'> {
  const wait = `${capital(counted(votes))} ${votes === 1 ? 'waits' : 'wait'} here`
  const them = votes === 1 ? 'it' : 'them'
  if (owner === null)
    return {
      text: `${wait} from an earlier visit. It is not known whose, so ${them === 'it' ? 'it is' : 'they are'} not sent.`,
      offers: ['discard'],
    }
  if (!owner.guest)
    return {
      text: `${wait} that ${owner.username} gave. Sign in as ${owner.username} to send ${them}.`,
      offers: ['sign-in', 'discard'],
    }
  if (owner.username === guestBehind)
    return {
      text: `${wait} that you gave as ${owner.username}. Sign out to be that guest again, and ${them === 'it' ? 'it is' : 'they are'} sent.`,
      offers: ['sign-out', 'discard'],
    }
  return {
    text: `${wait} that ${owner.username} gave, who can’t sign in again. They are not sent under another name.`.replace(
      'They are',
      votes === 1 ? 'It is' : 'They are',
    ),
    offers: ['discard'],
  }
}

const about = ({ owner, sessionId }: Waiting) => ({
  key: `${sessionId} ${owner?.userId ?? ''}`,
  userId: owner?.userId ?? null,
  sessionId,
})
const counted = (votes: number): string => (votes === 1 ? 'one vote' : `${votes} votes`)
const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)
