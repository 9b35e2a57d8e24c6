/** How an error is worded. Pure. */

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Servers write messages to be quoted in a log, without a capital and a full stop; for a person, they get both. */
export function sentence(message: string): string {
  const text = message.trim()
  if (text === '') return 'The server gave no reason.'
  const whole = text.slice(0, 1).toUpperCase() + text.slice(1)
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`
}
