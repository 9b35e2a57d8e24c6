/** The card of each kind of vote, in the order in which a room offers them. */
import type { Component } from 'svelte'
import type { TrainingConfig, Vote, VoteKindName } from '../../../core/protocol/index.ts'
import type { Ballot } from './ballot.ts'
import RatingCard from './RatingCard.svelte'

/** A vote without its target. */
type Distributed<V> = V extends unknown ? Omit<V, 'id' | 'sessionId' | 'sampleId'> : never
export type VoteContent = Distributed<Vote>

export interface CardProps {
  categories: TrainingConfig['live']['categories']
  tags: readonly string[]
  /** What the reader has entered so far; kept by the page. */
  draft: Ballot
  /** The answer is complete, so that it can be voted on. */
  ready: boolean
  /** Voting on it has closed; until when a vote begun in time counts, milliseconds, by this browser's clock. */
  closed: { countsUntil: number | null; now: number } | null
  /** The reader has changed the ballot; its current value. */
  onchange: (ballot: Ballot) => void
  onsubmit: (content: VoteContent) => void
  onskip: () => void
}

export const cards: Readonly<Record<VoteKindName, { title: string; Card: Component<CardProps> }>> = {
  rating: { title: 'Rate', Card: RatingCard },
}
