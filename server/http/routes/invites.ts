import { z } from 'zod'
import { route } from './route.ts'
import {
  AcceptInvite,
  Audience,
  CreateInvite,
  Decision,
  Exclude,
  Invite,
  limits,
  NewInvite,
  SessionId,
  SetAudience,
  Uuid,
} from '../../../core/protocol/index.ts'
import { changeAudience, listDecisions } from '../../sessions/audience.ts'
import { accept, excludeAllOf, invite, listInvites, revoke } from '../../sessions/invites.ts'

const params = z.object({ sessionId: SessionId })
const one = z.object({ sessionId: SessionId, inviteId: Uuid })

export const inviteRoutes = [
  route('post', '/api/training/:sessionId/audience', {
    access: 'train',
    summary: 'Change who may see a run of mine and vote in it; who may no longer see it is put out of its room',
    params,
    body: SetAudience,
    answer: z.object({ sessionId: SessionId, audience: Audience }),
    cost: 5,
    handle: ({ deps, caller, params, body }) => changeAudience(deps, caller, params.sessionId, body),
  }),
  route('get', '/api/training/:sessionId/decisions', {
    access: 'train',
    summary: 'What was decided about people in a run of mine, newest first; no decision is ever changed or deleted',
    params,
    query: z.object({ limit: z.coerce.number().int().min(1).max(limits.pageItems).default(50) }),
    answer: z.array(Decision),
    handle: ({ deps, caller, params, query }) => listDecisions(deps, caller, params.sessionId, query.limit),
  }),
  route('post', '/api/training/:sessionId/invites', {
    access: 'train',
    summary: 'Make a link into a run of mine, /join#TOKEN; the token is shown this once',
    params,
    body: CreateInvite,
    answer: NewInvite,
    status: 201,
    cost: 5,
    handle: ({ deps, caller, params, body }) => invite(deps, caller, params.sessionId, body),
  }),
  route('get', '/api/training/:sessionId/invites', {
    access: 'train',
    summary: 'The links into a run of mine, newest first, and how many have come by each',
    params,
    answer: z.array(Invite),
    handle: ({ deps, caller, params }) => listInvites(deps, caller, params.sessionId),
  }),
  route('delete', '/api/training/:sessionId/invites/:inviteId', {
    access: 'train',
    summary: 'Revoke a link: nobody comes by it any more. Those who have stay, unless they are excluded',
    params: one,
    answer: Invite,
    handle: ({ deps, caller, params }) => revoke(deps, caller, params.sessionId, params.inviteId),
  }),
  route('post', '/api/training/:sessionId/invites/:inviteId/exclude', {
    access: 'train',
    summary: 'Exclude everybody who has come by a link, and revoke it',
    params: one,
    body: Exclude,
    answer: z.object({ people: z.int() }),
    cost: 10,
    handle: ({ deps, caller, params, body }) =>
      excludeAllOf(deps, caller, params.sessionId, params.inviteId, body.reason),
  }),
  route('post', '/api/invites/accept', {
    access: 'read',
    summary: 'Enter a session by an invitation; entering again by the same one changes nothing',
    // In the body, because addresses are logged.
    body: AcceptInvite,
    answer: z.object({ sessionId: SessionId }),
    // Who guesses tokens is soon told to wait; a class that comes at once from one network isn't.
    cost: 5,
    handle: ({ deps, caller, body }) => accept(deps, caller, body.token),
  }),
]
