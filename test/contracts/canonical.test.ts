import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../contracts/ledger/epoch/canonical.ts'

describe('canonical JSON', () => {
  it('is the same for the same value in any order of keys', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ unit: 'grapheme' }),
          fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
        ),
        (value) => {
          const reversed = Object.fromEntries(Object.entries(value).toReversed())
          expect(canonicalJson(reversed)).toBe(canonicalJson(value))
          expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
        },
      ),
    )
  })

  it('refuses what JSON cannot say', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, '\ud800', { at: new Date() as never }]) {
      expect(() => canonicalJson(value)).toThrow(expect.objectContaining({ code: 'bad-record' }))
    }
  })
})
