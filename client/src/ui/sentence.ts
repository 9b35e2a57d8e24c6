/** What the server says of an error, as a sentence for a person. Pure. */

/** Servers write messages to be quoted in a log: without a capital, without a full stop. */
export function sentence(message: string): string {
  const text = message.trim()
  if (text === '') return 'The server gave no reason.'
  const whole = text.slice(0, 1).toUpperCase() + text.slice(1)
  return /[.!?…]$/.test(whole) ? whole : `${whole}.`
}
