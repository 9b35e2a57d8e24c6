/** Whom a session is for, and what was decided about people in it, in words. */
import type { Audience, Decision } from '../../../../core/protocol/index.ts'
import { plural } from '../../ui/format.ts'

export const audiences: Readonly<Record<Audience, string>> = {
  public: 'everybody',
  unlisted: 'everybody who has its address',
  accounts: 'everybody; accounts vote, guests watch',
  wallets: 'everybody; linked wallets vote, others watch',
  invited: 'those who were invited',
}

/** What was decided, without who, why and when: “excluded Ann”. */
export function deedOf({ what, whom, invite, audience, people }: Decision): string {
  const [who, link] = [whom?.username ?? 'somebody', `“${invite?.label ?? 'a link'}”`]
  switch (what) {
    case 'exclude':
      return `excluded ${who}`
    case 'readmit':
      return `readmitted ${who}`
    case 'audience':
      return `set whom the session is for: ${audience === null ? 'others' : audiences[audience]}`
    case 'invite':
      return `made the link ${link}`
    case 'revoke':
      return `revoked the link ${link}`
    case 'exclude-invited':
      return `excluded all who had come by ${link}: ${plural(people ?? 0, 'person', 'people')}`
  }
}
