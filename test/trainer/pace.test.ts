import { describe, expect, it } from 'vitest'
import { openPace } from '../../trainer/loop/pace.ts'

describe('the pace of a run', () => {
  it('is as fast as votes come while no step had to be made again', () => {
    let now = 1_000
    const pace = openPace(() => now)
    expect(pace.isDue()).toBe(true)
    pace.begin()
    now += 1
    expect(pace.isDue()).toBe(true)
  })

  it('takes steps further apart for each that was made again in the last minute, within a bound, and then no more', () => {
    let now = 0
    const pace = openPace(() => now)
    /** How long it keeps a step waiting after another one has begun, milliseconds. */
    const apart = (): number => {
      pace.begin()
      const begun = now
      while (!pace.isDue()) now += 50
      return now - begun
    }
    for (let i = 0; i < 3; i++) pace.again()
    expect(apart()).toBe(600)
    for (let i = 0; i < 40; i++) pace.again()
    expect(apart()).toBe(2_500)
    expect(pace.isStrained()).toBe(true)
    now += 60_000
    expect(pace.isStrained()).toBe(false)
    expect(apart()).toBe(0)
  })
})
