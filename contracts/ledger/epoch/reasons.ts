/**
 * Why a vote earns nothing, in the order in which the reasons are checked: what people are told, and whether an appeal
 * can make up for it. credit.ts says when each holds. Also used by the page, so it imports nothing.
 */
export const noCreditReasons = {
  /** On a text that its session never produced, which no appeal makes an answer. */
  text: { words: 'its text is not an answer of this session.', appealable: false },
  /** Cast after voting on its answer had closed, which no appeal opens again. */
  closed: { words: 'voting on the answer had closed.', appealable: false },
  /** No step's update used it. */
  unused: { words: 'no step’s update used it. At most it taught the reward model.', appealable: true },
  /** Its weight, or its author's reliability, was 0 in the update. */
  'no-weight': { words: 'its weight, or your reliability, was 0 in the update.', appealable: true },
  /** The update left every weight as it was. */
  'no-change': { words: 'the step’s update changed nothing.', appealable: true },
  /** More than a person can rate in the time (pace.ts): by no record alone. */
  pace: { words: 'there were more votes than a person can give in the time.', appealable: true },
} as const

export type NoCredit = keyof typeof noCreditReasons
export const noCreditNames = Object.keys(noCreditReasons) as [NoCredit, ...NoCredit[]]
