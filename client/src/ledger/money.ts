/** Amounts of money in words, and what a bounty buys. Pure. */
import type { Bounty } from '../../../core/protocol/index.ts'
import { plural } from '../ui/format.ts'

export interface Token {
  symbol: string
  decimals: number
}

/** Credits of a vote that changed the model. */
export const VOTE_CREDITS = 100n
/** Significant digits shown of an amount. */
const DIGITS = 4

/** `0.0125 ETH`: rounded down to four digits, never up. */
export function amountText(amount: bigint | string, { symbol, decimals }: Token): string {
  // By hand, since a token may have up to 255 decimals and ethers' formatUnits refuses more than 80.
  const digits = String(BigInt(amount)).padStart(decimals + 1, '0')
  const point = digits.length - decimals
  return `${shortened(digits.slice(0, point), digits.slice(point))} ${symbol}`
}

function shortened(whole: string, fraction: string): string {
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f')
  const kept =
    whole === '0'
      ? fraction.slice(0, fraction.search(/[1-9]/) + DIGITS)
      : fraction.slice(0, Math.max(0, DIGITS - whole.length))
  const rest = kept.replace(/0+$/, '')
  return rest === '' ? grouped : `${grouped}.${rest}`
}

/** The amount that somebody typed, in the smallest unit; null where it is not an amount above 0. */
export function parseAmount(text: string, decimals: number): bigint | null {
  const trimmed = text.trim().replace(',', '.')
  if (!/^\d+(\.\d+)?$/.test(trimmed)) return null
  const [whole = '', fraction = ''] = trimmed.split('.')
  if (fraction.length > decimals) return null
  const amount = BigInt(whole + fraction.padEnd(decimals, '0'))
  return amount > 0n && amount < 2n ** 96n ? amount : null
}

/** What a used vote earns. */
export const votePrice = ({ perCredit }: Pick<Bounty, 'perCredit'>): bigint => BigInt(perCredit) * VOTE_CREDITS

/** How many votes a pot pays for at a price, and how long that lasts at the present pace. */
export function reachOf(pot: bigint, price: bigint, votesPerHour: number, token: Token): string {
  const votes = price === 0n ? 0n : pot / price
  const pays = `Pays for ${plural(Number(votes), 'more vote')}.`
  if (votesPerHour === 0) return `${pays} Nobody is voting at present.`
  const hourly = amountText(price * BigInt(Math.round(votesPerHour)), token)
  return `${pays} At the present pace, ${plural(Math.round(votesPerHour), 'vote')} an hour, that lasts ${lasting(votes, votesPerHour)}, and an hour of the crowd costs ${hourly}.`
}

function lasting(votes: bigint, votesPerHour: number): string {
  const hours = Number(votes) / votesPerHour
  if (hours < 1) return `about ${plural(Math.max(1, Math.round(hours * 60)), 'minute')}`
  return hours < 48 ? `about ${plural(Math.round(hours), 'hour')}` : `about ${plural(Math.round(hours / 24), 'day')}`
}

/** What the crowd is told about the pay; null where nothing was ever offered. */
export function payNotice(bounties: readonly Bounty[]): { paying: boolean; text: string } | null {
  const paying = bounties.filter((bounty) => bounty.state === 'paying')
  if (paying.length > 0) {
    const prices = paying.map((bounty) => amountText(votePrice(bounty), bounty)).join(' and ')
    return {
      paying: true,
      text: `A vote that changes the model earns ${prices}, once ten of your votes here could be compared with other people’s; the earlier ones are then paid too.`,
    }
  }
  if (bounties.some((bounty) => bounty.state === 'empty')) {
    return {
      paying: false,
      text: 'The bounty is spent. Votes still train the model and are credited, but they are not paid until somebody tops it up.',
    }
  }
  if (bounties.some((bounty) => bounty.state === 'closed'))
    return {
      paying: false,
      text: 'The bounty is closed. Votes still train the model and are credited, but they are not paid.',
    }
  return null
}
