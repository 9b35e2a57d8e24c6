import { expect, it } from 'vitest'
import { createSeal } from '../../server/auth/seal.ts'
import { openSources } from '../../server/sessions/sources.ts'

const sources = openSources(createSeal('ab'.repeat(32)), 0)
const of = (address: string) => sources.ofAddress(address).toString('hex')

it('a vote’s source is the network of its sender, as a keyed hash of 12 bytes', () => {
  expect(sources.ofAddress('192.0.2.7')).toHaveLength(12)
  expect(of('192.0.2.7')).toBe(of('::ffff:192.0.2.7'))
  expect(of('192.0.2.7')).not.toBe(of('192.0.2.8'))
  expect(of('2001:db8:1:2::3')).toBe(of('2001:db8:1:2:ffff::9'))
  expect(of('2001:db8:1:2::3')).not.toBe(of('2001:db8:1:3::3'))
  expect(
    openSources(createSeal('cd'.repeat(32)), 0)
      .ofAddress('192.0.2.7')
      .toString('hex'),
  ).not.toBe(of('192.0.2.7'))
})
