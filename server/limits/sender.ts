import type { IncomingMessage } from 'node:http'
import { networkOf } from './newcomers.ts'

/** The network of whoever sent a request, past the trusted proxies, as Express counts them. */
export function senderOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>, trustProxy: number): string {
  const forwarded = [headers['x-forwarded-for'] ?? []]
    .flat()
    .join(',')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  const hops = [socket.remoteAddress ?? '', ...forwarded.reverse()]
  return networkOf(hops[Math.min(trustProxy, hops.length - 1)] ?? '')
}
