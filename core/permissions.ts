import { AttuneError } from './errors.ts'
import type { Role } from './protocol/index.ts'

/** What a caller may be permitted to do. Every route and every socket event names one (rule S3). */
export const permissions = [
  /** See sessions, samples, metrics, models and the system's state. */
  'read',
  /** Read, export and erase one's own account, votes and receipts; appeal their records. */
  'own',
  /** Vote on a session's samples, and withdraw. */
  'vote',
  /** Give feedback on a text that the session never produced. */
  'vote:free',
  /** Put a question to a session's model. */
  'ask',
  /** Start runs; pause, resume and stop one's own. */
  'train',
  /** Register models. */
  'models',
  /** Read everybody's votes and contributions. */
  'review',
  /** Decide other people's appeals. */
  'adjudicate',
  /** Control everybody's runs. */
  'administer',
] as const
export type Permission = (typeof permissions)[number]

const guest: Permission[] = ['read', 'own', 'vote', 'ask']
const contributor: Permission[] = [...guest, 'vote:free']

/** The permissions of a role. A guest is a contributor with fewer rights. */
export function permissionsOf(role: Role, isGuest: boolean): readonly Permission[] {
  switch (role) {
    case 'contributor':
      return isGuest ? guest : contributor
    case 'trainer':
      return [...contributor, 'train', 'models']
    case 'validator':
      return [...contributor, 'review', 'adjudicate']
    case 'admin':
      return permissions
  }
}

/** Who sent a request or an event. */
export interface Caller {
  userId: string
  username: string
  role: Role
  guest: boolean
  walletAddress: string | null
  permissions: readonly Permission[]
}

/** @throws AttuneError forbidden */
export function demand(caller: Caller, permission: Permission): void {
  if (!caller.permissions.includes(permission)) {
    throw new AttuneError(
      'forbidden',
      `this needs the permission '${permission}'${caller.guest ? ', which guests do not have' : ''}`,
    )
  }
}

/** For an owned resource: its owner may, and anyone with the permission `overrule`. @throws AttuneError forbidden */
export function demandOwner(caller: Caller, ownerId: string, overrule: Permission): void {
  if (caller.userId !== ownerId) demand(caller, overrule)
}
