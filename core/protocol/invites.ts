/** Who may enter a session: its audience, invitations into it, and what was decided about people there. */
import { z } from 'zod'
import { SessionId, Uuid, name } from './pieces.ts'
import { limits } from './limits.ts'

/**
 * Whom a session is for. `public`: it is in everybody's list, and everybody votes. `unlisted`: the same, but it is in
 * the list of its owner and of those who were invited alone; others need its address. `accounts`: guests watch, and
 * accounts vote. `wallets`: whoever has linked a wallet votes, and others watch. `invited`: for anybody but its owner,
 * administrators and those who were invited it does not exist.
 */
export const Audience = z.enum(['public', 'unlisted', 'accounts', 'wallets', 'invited'])
export type Audience = z.infer<typeof Audience>

/** What an invitation to an `invited` session gives: a rater sees it, votes and asks; an observer sees it. */
export const InviteRole = z.enum(['rater', 'observer'])
export type InviteRole = z.infer<typeof InviteRole>

export const SetAudience = z.object({
  audience: Audience,
  reason: z.string().trim().min(1).max(limits.reasonChars).optional(),
})

export const CreateInvite = z.object({
  role: InviteRole,
  /** Most people who may come by it. */
  cap: z.int().min(1).max(limits.inviteCap),
  expiresInHours: z.int().min(1).max(limits.inviteHours),
  /** For its owner's lists; a short one of its id by default. */
  label: name.optional(),
})
export type CreateInvite = z.output<typeof CreateInvite>

/** An invitation, as the session's owner sees it. */
export const Invite = z.object({
  id: Uuid,
  label: z.string(),
  role: InviteRole,
  cap: z.int(),
  /** People who have come by it. */
  uses: z.int(),
  /** open: more people may come by it. */
  state: z.enum(['open', 'full', 'expired', 'revoked']),
  by: z.string(),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
})
export type Invite = z.infer<typeof Invite>

/** … as it is created: the only time that its token is shown. The link is `/join#` and the token. */
export const NewInvite = Invite.extend({ token: z.string() })
export type NewInvite = z.infer<typeof NewInvite>

export const AcceptInvite = z.object({ token: z.string().trim().min(1).max(limits.inviteTokenChars) })

/** Something that a session's owner or an administrator decided. */
export const Decision = z.object({
  id: z.int(),
  what: z.enum(['exclude', 'readmit', 'audience', 'invite', 'revoke', 'exclude-invited']),
  by: z.string(),
  /** Whom it is about: of `exclude` and `readmit`. */
  whom: z.object({ userId: Uuid, username: z.string() }).nullable(),
  /** Which invitation: of `invite`, `revoke` and `exclude-invited`. */
  invite: z.object({ id: Uuid, label: z.string() }).nullable(),
  /** What the audience became. */
  audience: Audience.nullable(),
  /** How many were excluded together. */
  people: z.int().nullable(),
  reason: z.string().nullable(),
  sessionId: SessionId,
  timestamp: z.iso.datetime(),
})
export type Decision = z.infer<typeof Decision>
