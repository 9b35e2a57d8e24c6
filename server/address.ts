import { isIPv6 } from 'node:net'
import type { IncomingMessage } from 'node:http'

/**
 * What one subscriber has, as the key of their limits: an IPv4 address, or an IPv6 /64, of which
 * a single customer has 2^64 addresses. An IPv4 address in IPv6's clothes is itself.
 */
export function addressKey(ip: string): string {
  const plain = ip.replace(/%.*$/, '').toLowerCase()
  const mapped = /^(?:::ffff:|0:0:0:0:0:ffff:)(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1]
  if (mapped !== undefined) return mapped
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length - (tail.includes('.') ? 1 : 0)
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right]
  return `${groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/** The key of whoever sent a request, past as many proxies as are trusted, as Express counts them. */
export function senderOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>, trustProxy: number): string {
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').map((part) => part.trim()).filter((part) => part !== '')
  const hops = [socket.remoteAddress ?? '', ...forwarded.reverse()]
  return addressKey(hops[Math.min(trustProxy, hops.length - 1)] ?? '')
}
