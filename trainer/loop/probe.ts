/**
 * "Before → now": one prompt of the run, always the same, answered by the reference and again and again by the current
 * policy, with the same random numbers, so that people see what their votes have changed.
 */
import type { Probe } from '../../core/protocol/index.ts'
import { seedOf } from '../rl/random.ts'
import type { Run } from './run-state.ts'
import type { World } from './world.ts'

/** Separates its random stream from the steps', which count from 1, and from those of shown answers. */
const probeStream = -2
/** Between two answers, milliseconds. */
const EVERY_MS = 3_000

export interface ProbeTeller {
  /** After a step: answers the probe and tells the room, if it is time to. */
  tell(): Promise<void>
}

/** Opened on a run that has made no step yet, it answers by the reference, which the policy still is. */
export async function openProbe(run: Run, world: World): Promise<ProbeTeller> {
  const { learner, tokenizer, prompts, config } = run
  const seed = seedOf(config.live.seed, probeStream)
  const [prompt] = prompts.draw(0, 1, seed)
  const answer = async (): Promise<string> => {
    const [sampled] = await learner.sample([tokenizer.encodePrompt(prompt!)], { seeds: [seed], signal: world.signal })
    return tokenizer.decodeResponse(sampled!.responseIds)
  }
  let told = await world.probe()
  if (told?.prompt !== prompt) told = null
  if (told === null && run.state.step === 0) {
    const before = await answer()
    told = { prompt: prompt!, before, now: before, step: 0 } satisfies Probe
    await world.tellProbe(told)
  }
  let last = world.now()
  return {
    async tell() {
      if (told === null || world.now() - last < EVERY_MS) return
      last = world.now()
      told = { ...told, now: await answer(), step: run.state.step }
      await world.tellProbe(told)
    },
  }
}
