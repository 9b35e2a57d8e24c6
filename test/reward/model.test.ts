import { describe, expect, it } from 'vitest'
import { openRandom } from '../../lm/sampling/random.ts'
import { FIXED } from '../../trainer/reward/fixed.ts'
import {
  COMPASSION,
  RATING,
  categoryHead,
  openRewardModel,
  type RewardModelConfig,
  type RewardPreference,
  type RewardVote,
} from '../../trainer/reward/model.ts'

const WIDTH = 24
const config: RewardModelConfig = { ...FIXED, categories: { helpfulness: 1 }, compassionWeight: 0.6 }
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))

/** Samples whose true compassion and usefulness are linear in their features, as logits. */
function world(seed: number, count: number) {
  const random = openRandom(seed)
  const directions = [0, 1].map(() => Array.from({ length: WIDTH }, () => random.normal() / Math.sqrt(WIDTH)))
  const truth = (x: Float32Array, k: number) => sigmoid(2 * directions[k]!.reduce((sum, w, i) => sum + w * x[i]!, 0))
  return Array.from({ length: count }, (_, i) => {
    const features = Float32Array.from({ length: WIDTH }, () => random.normal())
    return {
      id: `s${i}`,
      features,
      compassion: truth(features, 0),
      useful: truth(features, 1),
      noise: [random.normal(), random.normal()],
    }
  })
}
type Sample = ReturnType<typeof world>[number]
const hold = (x: number) => Math.min(1, Math.max(0, x))
const voteOn = (s: Sample, weight = 0.8): RewardVote => ({
  id: `vote-${s.id}`,
  sampleId: s.id,
  weight,
  scores: {
    [RATING]: hold(s.useful + 0.1 * s.noise[0]!),
    [categoryHead('helpfulness')]: hold(s.useful + 0.1 * s.noise[0]!),
    [COMPASSION]: hold(s.compassion + 0.1 * s.noise[1]!),
  },
})
function open(samples: readonly Sample[], over: Partial<RewardModelConfig> = {}, seed = 5) {
  const model = openRewardModel({ ...config, ...over }, WIDTH, seed)
  model.features.fitScale(samples.map((s) => s.features))
  for (const s of samples) model.features.add(s.id, s.features)
  return model
}
function correlation(a: number[], b: number[]): number {
  const mean = (xs: number[]) => xs.reduce((x, y) => x + y, 0) / xs.length
  const [ma, mb] = [mean(a), mean(b)]
  const cov = mean(a.map((x, i) => (x - ma) * (b[i]! - mb)))
  return cov / Math.sqrt(mean(a.map((x) => (x - ma) ** 2)) * mean(b.map((x) => (x - mb) ** 2)))
}

/** One person's comparisons of neighbours. */
const differences = (samples: readonly Sample[]): RewardPreference[] =>
  samples.slice(0, 10).map((s, i) => ({
    id: `p${i}`,
    sampleA: s.id,
    sampleB: samples[i + 1]!.id,
    weight: 0.5,
    differences: { [RATING]: s.useful - samples[i + 1]!.useful, [COMPASSION]: 0.1 },
  }))

describe('the reward model', () => {
  it('learns, head by head, what raters prefer, and holds it on samples that nobody rated', () => {
    const samples = world(1, 300)
    const model = open(samples)
    model.fit(samples.slice(0, 150).map((s) => voteOn(s)))
    const unseen = samples.slice(150)
    const predictions = unseen.map((s) => model.predict(s.features))
    expect(
      correlation(
        predictions.map((p) => p.heads[COMPASSION]!.mean),
        unseen.map((s) => s.compassion),
      ),
    ).toBeGreaterThan(0.85)
    expect(
      correlation(
        predictions.map((p) => p.heads[RATING]!.mean),
        unseen.map((s) => s.useful),
      ),
    ).toBeGreaterThan(0.85)
  })

  it('learns from preferences alone (Bradley–Terry)', () => {
    const samples = world(2, 300)
    const model = open(samples)
    const preferences = Array.from({ length: 120 }, (_, i) => {
      const [a, b] = [samples[2 * i]!, samples[2 * i + 1]!]
      return { id: `p${i}`, sampleA: a.id, sampleB: b.id, outcome: a.useful > b.useful ? 1 : 0, weight: 0.8 }
    })
    model.fit([], preferences)
    const unseen = samples.slice(240)
    expect(
      correlation(
        unseen.map((s) => model.predict(s.features).heads[RATING]!.mean),
        unseen.map((s) => s.useful),
      ),
    ).toBeGreaterThan(0.75)
  })

  it('says after each token what a response is heading for, from the half of its features that a prefix has', () => {
    const samples = world(8, 300)
    const model = open(samples)
    model.fit(samples.slice(0, 250).map((s) => voteOn(s)))
    const halves = samples.slice(250).map((s) => s.features.slice(0, WIDTH / 2))
    const flat = new Float32Array(halves.length * (WIDTH / 2))
    halves.forEach((half, i) => flat.set(half, i * (WIDTH / 2)))
    const potentials = model.potentials(flat)
    expect(potentials).toHaveLength(50)
    const full = samples.slice(250).map((s) => model.predict(s.features).mean)
    expect(correlation(potentials, full)).toBeGreaterThan(0.4)
    expect(openRewardModel(config, WIDTH, 5, model.exportState()).potentials(flat)).toEqual(potentials)
  })

  it('is not moved by a vote of weight 0', () => {
    const samples = world(3, 60)
    const [a, b] = [open(samples), open(samples)]
    const votes = samples.slice(0, 40).map((s) => voteOn(s))
    a.fit(votes)
    b.fit([...votes, ...samples.slice(40).map((s) => voteOn(s, 0))])
    for (const s of samples) expect(b.predict(s.features)).toEqual(a.predict(s.features))
  })

  it('is as sure as it knows: deviation falls with votes, and pessimism takes β_u of it off', () => {
    const samples = world(4, 200)
    const model = open(samples)
    const doubt = () => samples.reduce((sum, s) => sum + model.predict(s.features).deviation / samples.length, 0)
    const ignorant = doubt()
    model.fit(samples.slice(0, 20).map((s) => voteOn(s)))
    const learning = doubt()
    model.fit(samples.map((s) => voteOn(s)))
    expect(learning).toBeLessThan(ignorant)
    expect(doubt()).toBeLessThan(learning)
    const bold = open(samples, { pessimism: 0 })
    const shy = open(samples, { pessimism: 2 })
    for (const m of [bold, shy]) m.fit(samples.slice(0, 20).map((s) => voteOn(s)))
    for (const s of samples) {
      const [b, y] = [bold.predict(s.features), shy.predict(s.features)]
      expect(b.value).toBe(b.mean)
      expect(y.value).toBeCloseTo(Math.max(0, b.mean - 2 * b.deviation), 12)
    }
  })

  it('says one half of everything before the first vote', () => {
    const samples = world(5, 20)
    const model = open(samples)
    for (const s of samples) expect(Math.abs(model.predict(s.features).mean - 0.5)).toBeLessThan(0.05)
  })

  it('takes λ and category weights when asked, without learning anew', () => {
    const samples = world(6, 60)
    const model = open(samples)
    model.fit(samples.map((s) => voteOn(s)))
    const p = model.predict(samples[0]!.features, { weights: { categories: { helpfulness: 1 }, compassionWeight: 1 } })
    expect(p.mean).toBeCloseTo(p.heads[COMPASSION]!.mean, 12)
    const q = model.predict(samples[0]!.features, { weights: { categories: {}, compassionWeight: 0 } })
    expect(q.mean).toBeCloseTo(q.heads[RATING]!.mean, 12)
  })

  it('learns nothing of compassion from votes that leave it out, and predicts what such votes are worth: their quality', () => {
    const samples = world(10, 80)
    const silent = (s: Sample): RewardVote => {
      const { [COMPASSION]: _, ...scores } = voteOn(s).scores
      return { ...voteOn(s), scores }
    }
    const newborn = open(samples)
    const model = open(samples)
    model.fit(samples.map(silent))
    for (const { features } of samples) {
      const { heads, mean } = model.predict(features)
      expect(heads[COMPASSION]).toEqual(newborn.predict(features).heads[COMPASSION])
      expect(mean).toBeCloseTo((heads[RATING]!.mean + heads[categoryHead('helpfulness')]!.mean) / 2, 12)
    }
    // Where every second vote rates it, it counts half; a category that nobody scores counts nothing.
    model.fit(
      samples.flatMap((s, i) =>
        i % 2 === 0 ? [voteOn(s)] : [{ ...silent(s), scores: { [RATING]: silent(s).scores[RATING]! } }],
      ),
    )
    const halfway = model.predict(samples[0]!.features, { weights: { categories: {}, compassionWeight: 0.6 } })
    expect(halfway.mean).toBeCloseTo(0.7 * halfway.heads[RATING]!.mean + 0.3 * halfway.heads[COMPASSION]!.mean, 6)
    const saved = openRewardModel(config, WIDTH, 5, model.exportState())
    for (const { features } of samples) expect(saved.predict(features)).toEqual(model.predict(features))
  })

  it('goes on from the state of a run in which nobody could leave a head out', () => {
    const samples = world(11, 20)
    const model = open(samples)
    model.fit(samples.map((s) => voteOn(s)))
    const saved = model.exportState()
    saved.arrays.delete('shares')
    const on = openRewardModel(config, WIDTH, 5, saved)
    for (const { features } of samples) expect(on.predict(features)).toEqual(model.predict(features))
  })

  it('is to the bit the same whatever the order of votes and of samples, and goes on from its saved state to the bit', () => {
    const samples = world(7, 60)
    const votes = samples.slice(0, 40).map((s) => voteOn(s))
    const a = open(samples)
    a.fit(votes, differences(samples))
    const b = openRewardModel(config, WIDTH, 5)
    b.features.fitScale(samples.map((s) => s.features))
    for (const s of [...samples].reverse()) b.features.add(s.id, s.features)
    b.fit([...votes].reverse(), differences(samples).reverse())
    expect(b.exportState()).toEqual(a.exportState())
    const c = openRewardModel(config, WIDTH, 5, a.exportState())
    expect(c.exportState()).toEqual(a.exportState())
    for (const s of samples) expect(c.predict(s.features)).toEqual(a.predict(s.features))
    const more = samples.map((s) => voteOn(s))
    a.fit(more)
    c.fit([...more].reverse())
    expect(c.exportState()).toEqual(a.exportState())
    for (const s of samples) expect(c.predict(s.features)).toEqual(a.predict(s.features))
    expect(() => openRewardModel(config, WIDTH, 6, a.exportState())).toThrow(/does not continue/)
  })

  it('leaves nothing of an earlier fit: a step that is undone and made again gives the same bytes', () => {
    const samples = world(12, 60)
    const votes = samples.map((s) => voteOn(s))
    const [straight, winding] = [open(samples), open(samples)]
    straight.fit(votes.slice(0, 30))
    winding.fit(votes, differences(samples))
    winding.keep([])
    winding.fit(votes.slice(0, 30))
    for (const model of [straight, winding]) model.keep(samples.slice(25, 35).map(({ id }) => id))
    expect(winding.exportState()).toEqual(straight.exportState())
    for (const s of samples) expect(winding.predict(s.features)).toEqual(straight.predict(s.features))
  })

  it('keeps the features of what is asked for and of what its last fit used, and forgets the rest', () => {
    const samples = world(13, 60)
    const model = open(samples)
    model.fit(samples.slice(0, 20).map((s) => voteOn(s)))
    model.keep(['s40', 'never seen'])
    expect(model.features.size).toBe(21)
    expect(model.exportState().json.sampleIds).toEqual(
      [...samples.slice(0, 20), samples[40]!].map(({ id }) => id).sort(),
    )
    expect(openRewardModel(config, WIDTH, 5, model.exportState()).predict(samples[50]!.features)).toEqual(
      model.predict(samples[50]!.features),
    )
  })

  it('says of an answer without its own votes what it would say had nobody voted on it', () => {
    const samples = world(14, 60)
    const votes = samples.slice(0, 40).map((s) => voteOn(s))
    const preferences = differences(samples)
    const [all, apart] = [open(samples), open(samples)]
    all.fit(votes, preferences)
    const { id, features } = samples[1]!
    apart.fit(
      votes.filter(({ sampleId }) => sampleId !== id),
      preferences.filter(({ sampleA, sampleB }) => sampleA !== id && sampleB !== id),
    )
    const [left, known] = [all.predict(features, { without: id }), apart.predict(features)]
    // The noise that is estimated is that of all votes.
    expect(left.mean).toBeCloseTo(known.mean, 2)
    expect(left.deviation).toBeCloseTo(known.deviation, 2)
    expect(left.deviation).toBeGreaterThan(all.predict(features).deviation)
    expect(all.predict(features, { without: samples[50]!.id })).toEqual(all.predict(features))
  })

  it('stays as it was where it was frozen', () => {
    const samples = world(15, 30)
    const model = open(samples)
    model.fit(samples.slice(0, 10).map((s) => voteOn(s)))
    const [before, prediction] = [model.frozen(), model.predict(samples[20]!.features)]
    model.fit(samples.map((s) => voteOn(s)))
    expect(before.predict(samples[20]!.features)).toEqual(prediction)
    expect(model.predict(samples[20]!.features)).not.toEqual(prediction)
  })

  it('stays as it was even where the answers that it had learnt from are forgotten', () => {
    const samples = world(15, 30)
    const model = open(samples)
    model.fit(
      samples.slice(0, 11).map((s) => voteOn(s)),
      differences(samples),
    )
    const { id, features } = samples[5]!
    const [before, prediction] = [model.frozen(), model.predict(features, { without: id })]
    model.fit(samples.slice(15).map((s) => voteOn(s)))
    model.keep([])
    expect(model.features.has(id)).toBe(false)
    expect(before.predict(features, { without: id })).toEqual(prediction)
  })

  it('reads the state of a run whose heads were an ensemble: it keeps the features, and knows nothing until it is fitted', () => {
    const samples = world(16, 30)
    const model = open(samples)
    const { arrays, json } = model.exportState()
    const old = new Map([...arrays].filter(([name]) => !name.startsWith('evidence/')))
    old.set('weights', new Float32Array(6 * 3 * (WIDTH + 1)).fill(1)).set('progress', new Float32Array(3 * 13))
    const on = openRewardModel(config, WIDTH, 5, { arrays: old, json })
    expect(on.features.size).toBe(30)
    expect(on.predict(samples[0]!.features).mean).toBeCloseTo(0.5, 12)
    const votes = samples.map((s) => voteOn(s))
    for (const one of [model, on]) one.fit(votes)
    expect(on.exportState()).toEqual(model.exportState())
  })

  it('knows how errors go together: fully for one answer, less for two that have little in common', () => {
    const samples = world(17, 30)
    const model = open(samples)
    const together = model.correlations([samples[0]!, samples[0]!, samples[1]!].map((s) => s.features))
    expect(together[1]).toBeCloseTo(1, 9)
    expect(together[2]).toBeLessThan(0.9)
    expect(together[6]).toBe(together[2])
  })

  it('takes time by the number of votes, not by its square', () => {
    const random = openRandom(9)
    const samples = world(9, 300)
    const model = open(samples)
    const votes = Array.from({ length: 8_000 }, (_, i): RewardVote => {
      const v = random.uniform()
      return {
        id: `v${i}`,
        sampleId: `s${i % samples.length}`,
        weight: 0.7,
        scores: { [RATING]: v, [categoryHead('helpfulness')]: v, [COMPASSION]: v },
      }
    })
    // The quickest of several, by the processor's time: what else the machine does makes a fit slower, and none quicker.
    const time = (count: number): number => {
      const some = votes.slice(0, count)
      return Math.min(
        ...Array.from({ length: 3 }, () => {
          const start = process.cpuUsage()
          model.fit(some)
          return process.cpuUsage(start).user / 1000
        }),
      )
    }
    time(500)
    const [few, many] = [time(500), time(8_000)]
    console.log(`fit: ${few.toFixed(1)} ms of 500 votes, ${many.toFixed(1)} ms of 8,000`)
    // 16 times as many votes: 16 times the time at most, or 256 times by the square.
    expect(many / few).toBeLessThan(64)
  })
})
