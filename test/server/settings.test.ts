import { beforeAll, describe, expect, test } from 'vitest'
import { readFileSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import type { z } from 'zod'
import { StartTraining, TrainingConfig, type SignedIn } from '../../core/protocol/index.ts'
import { refuseIneffective, settings } from '../../server/sessions/settings.ts'
import { nearest } from '../../server/limits/strict.ts'
import { addSample, admin, ask, call, connect, guest, request, useServer, useWorld, vote } from './attune.ts'

const world = useWorld()
const server = useServer(world)
let boss: SignedIn
let ann: SignedIn
beforeAll(async () => {
  boss = await admin(server)
  ann = await guest(server, 'Ann')
})

const start = (configuration: unknown) =>
  call(server, 'POST', '/api/training/start', { token: boss.token, body: { modelId: 'demo', configuration } })
const put = (path: string, value: unknown): object =>
  path.split('.').reduceRight<unknown>((inner, key) => ({ [key]: inner }), value) as object
const at = (tree: unknown, path: string): unknown =>
  path.split('.').reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], tree)

/** Paths of everything that a schema reads: down to what is no object. */
function leaves(schema: z.ZodType, path: string[] = []): string[] {
  const { def } = schema as unknown as {
    def: { type: string; shape?: Record<string, z.ZodType>; innerType?: z.ZodType; in?: z.ZodType }
  }
  if (def.type === 'object')
    return Object.entries(def.shape ?? {}).flatMap(([key, inner]) => leaves(inner, [...path, key]))
  const inner = def.innerType ?? def.in
  return inner === undefined ? [path.join('.')] : leaves(inner, path)
}

describe('T6: every setting of a run', () => {
  test('stands in the table of settings, and the table holds nothing else', () => {
    expect(leaves(TrainingConfig).sort()).toEqual(Object.keys(settings).sort())
  })

  test.each(Object.entries(settings).flatMap(([path, { by }]) => (by === null ? [] : [[path, by] as const])))(
    '%s is read by %s',
    (path, by) => {
      const name = path.split('.').at(-1) ?? ''
      expect(readFileSync(new URL(`../../${by}`, import.meta.url), 'utf8')).toMatch(new RegExp(`\\b${name}\\b`))
    },
  )

  /** A value that the schema takes, and that is not the default. */
  const others: Record<string, unknown> = {
    'rewardModel.modelPath': 'models/reward',
    'rewardModel.humanFeedbackWeight': 2,
    'rewardModel.aiRewardWeight': 0.5,
    'rewardModel.ethicalConstraints.biasThresholds': { gender: 0.1 },
    'rewardModel.ethicalConstraints.requiredDisclosures': ['I am a machine'],
    'datasetConfig.type': 'preference',
    'datasetConfig.sources': ['hh-rlhf'],
    'datasetConfig.preprocessing.tokenizer': 'gpt2',
    'datasetConfig.preprocessing.maxLength': 256,
    'datasetConfig.preprocessing.padding': false,
    'datasetConfig.preprocessing.truncation': false,
    'datasetConfig.preprocessing.specialTokens': { pad: '<pad>' },
    'datasetConfig.augmentation': { paraphrase: true },
    distributedConfig: { worldSize: 4 },
  }
  test.each(Object.entries(settings).flatMap(([path, { by }]) => (by === null ? [path] : [])))(
    '%s does nothing, and is refused with its path unless it has its default',
    async (path) => {
      expect(await start(put(path, others[path]))).toMatchObject({
        status: 400,
        body: {
          error: 'invalid',
          path: `configuration.${path}`,
          message: `this setting would do nothing: ${settings[path]?.instead}`,
        },
      })
      expect(settings[path]?.instead).toMatch(/\w/)
      expect(() => refuseIneffective(TrainingConfig.parse(put(path, at(TrainingConfig.parse({}), path))))).not.toThrow()
    },
  )

  test.each<[string, object, object]>([
    [
      'rewardModel.ethicalConstraints.maxHarmScore',
      { rewardModel: { ethicalConstraints: { maxHarmScore: 0.5 } } },
      { live: { categories: [{ name: 'harm' }] } },
    ],
    ['ppoConfig.valueClipRatio', { ppoConfig: { valueClipRatio: 1 }, algorithm: 'grpo' }, { algorithm: 'ppo' }],
    ['ppoConfig.valueCoefficient', { ppoConfig: { valueCoefficient: 1 }, algorithm: 'dpo' }, { algorithm: 'ppo' }],
    ['ppoConfig.clipRatio', { ppoConfig: { clipRatio: 0.1 }, algorithm: 'dpo' }, { algorithm: 'grpo' }],
    [
      'ppoConfig.entropyCoefficient',
      { ppoConfig: { entropyCoefficient: 0.1 }, algorithm: 'dpo' },
      { algorithm: 'ppo' },
    ],
    ['grpoConfig.groupSize', { grpoConfig: { groupSize: 8 } }, { algorithm: 'grpo' }],
    ['grpoConfig.scaleRewards', { grpoConfig: { scaleRewards: 'none' }, algorithm: 'dpo' }, { algorithm: 'grpo' }],
    ['grpoConfig.lossType', { grpoConfig: { lossType: 'grpo' } }, { algorithm: 'grpo' }],
    ['dpoConfig.labels', { dpoConfig: { labels: 'hard' } }, { algorithm: 'dpo' }],
    ['dpoConfig.groupSize', { dpoConfig: { groupSize: 2 }, algorithm: 'grpo' }, { algorithm: 'dpo' }],
    ['loraConfig.alpha', { loraConfig: { alpha: 16 } }, { loraConfig: { alpha: 16, rank: 4 } }],
    [
      'loraConfig.rankStabilised',
      { loraConfig: { rankStabilised: true } },
      { loraConfig: { rankStabilised: true, rank: 4 } },
    ],
    ['loraConfig.targets', { loraConfig: { targets: ['c_attn'] } }, { loraConfig: { targets: ['c_attn'], rank: 4 } }],
    [
      'checkpoints.bestMetric',
      { checkpoints: { keepBest: 0, bestMetric: 'rewardScore' } },
      { checkpoints: { keepBest: 1, bestMetric: 'rewardScore' } },
    ],
    ['evaluation.every', { evaluation: { every: 5 }, validationSplit: 0 }, { validationSplit: 0.2 }],
    ['evaluation.prompts', { evaluation: { prompts: 8, every: 0 } }, { evaluation: { prompts: 8, every: 5 } }],
    ['evaluation.gate', { evaluation: { gate: true }, validationSplit: 0 }, { validationSplit: 0.1 }],
    ['evaluation.tolerance', { evaluation: { tolerance: 0, every: 0 } }, { evaluation: { tolerance: 0, every: 1 } }],
  ])('%s acts beside another setting only, and is refused without it', async (path, without, beside) => {
    expect(await start(without)).toMatchObject({ status: 400, body: { path: `configuration.${path}` } })
    expect(() =>
      refuseIneffective(
        StartTraining.parse({ modelId: 'demo', configuration: { ...without, ...beside } }).configuration,
      ),
    ).not.toThrow()
  })

  test.each([
    [
      { rewardModel: { type: 'ai' } },
      'rewardModel.type',
      'a reward of type ai needs an AI scorer, and this server has none: use human',
    ],
    [
      { rewardModel: { type: 'hybrid', aiRewardWeight: 1 } },
      'rewardModel.type',
      'a reward of type hybrid needs an AI scorer, and this server has none: use human',
    ],
    [
      { rewardModel: { humanFeedbackWeight: 0 } },
      'rewardModel.humanFeedbackWeight',
      'the weights of people and of an AI scorer sum to 0, so there would be no reward: leave both out',
    ],
    [
      { validationSplit: 0.0001 },
      'validationSplit',
      'of the 800 prompts of the model demo this share holds out fewer than 2, which an evaluation needs: raise it, or send the model more prompts',
    ],
  ])('%j would have no reward or no evaluation, and is refused', async (configuration, path, message) => {
    expect(await start(configuration)).toMatchObject({
      status: 400,
      body: { error: 'invalid', path: `configuration.${path}`, message },
    })
  })

  test('a whole configuration may be sent back as it was read', async () => {
    const { sessionId } = await ask<{ sessionId: string }>(server, 'POST', '/api/training/start', {
      token: boss.token,
      body: { modelId: 'demo' },
    })
    const { configuration } = await ask<{ configuration: object }>(server, 'GET', `/api/training/${sessionId}`, {
      token: boss.token,
    })
    expect(configuration).toMatchObject({
      validationSplit: 0.1,
      datasetConfig: { type: 'conversation' },
      loraConfig: { alpha: 32 },
    })
    expect((await start({ ...configuration, distributedConfig: {} })).status).toBe(201)
  })

  test('what an older version stored still loads, whatever it holds', async () => {
    const stored = {
      ...TrainingConfig.parse({ validationSplit: 0.2, distributedConfig: { worldSize: 2 } }),
      someday: { on: true },
    }
    await world.pool.query(`update sessions set configuration = $1 where id = 'demo'`, [stored])
    expect(
      TrainingConfig.parse(
        (await world.pool.query(`select configuration from sessions where id = 'demo'`)).rows[0].configuration,
      ),
    ).toMatchObject({ validationSplit: 0.2 })
    await request(server, 'GET', '/api/training/demo', { token: boss.token }).expect(200)
  })
})

describe('what no schema names is refused with its path', () => {
  test.each([
    [{ learningrate: 0.1 }, 'configuration.learningrate', 'did you mean learningRate?'],
    [{ ppoConfig: { clip_ratio: 0.1 } }, 'configuration.ppoConfig.clip_ratio', 'did you mean clipRatio?'],
    [
      { live: { categories: [{ name: 'clear', wieght: 1 }] } },
      'configuration.live.categories.0.wieght',
      'did you mean weight?',
    ],
    [
      { rewardModel: { ethicalConstraints: { blockList: [] } } },
      'configuration.rewardModel.ethicalConstraints.blockList',
      'leave it out',
    ],
    [{ quantumMode: true }, 'configuration.quantumMode', 'leave it out'],
  ])('a run: %j', async (configuration, path, message) => {
    expect(await start(configuration)).toMatchObject({
      status: 400,
      body: { error: 'invalid', path, message: expect.stringContaining(message) },
    })
  })

  test('a body, a query and a body where none is read', async () => {
    const { token } = boss
    const refused = async (
      path: string,
      ...request: Parameters<typeof call> extends [unknown, ...infer R] ? R : never
    ) => expect(await call(server, ...request), path).toMatchObject({ status: 400, body: { error: 'invalid', path } })
    await refused('display_name', 'POST', '/api/auth/guest', { body: { display_name: 'Ann' } })
    await refused('tempo', 'POST', '/api/feedback', { token: ann.token, body: vote(randomUUID(), { tempo: 1 }) })
    await refused('categories.0.colour', 'POST', '/api/feedback', {
      token: ann.token,
      body: vote(randomUUID(), { categories: [{ name: 'helpfulness', score: 8, colour: 'red' }] }),
    })
    await refused('sinze', 'GET', '/api/metrics/demo?sinze=3', { token })
    await refused('limit', 'GET', '/api/models?limit=3', { token })
    await refused('reason', 'POST', '/api/training/demo/pause', { token, body: { reason: 'lunch' } })
    await request(server, 'GET', '/api/models?_=1700000000', { token }).expect(200)
  })

  test('a socket event', async () => {
    const client = await connect(server, ann.token)
    expect(await client.send('join-session', { sessionId: 'demo', sinceSeq: '1-0' })).toMatchObject({
      ok: false,
      code: 'invalid',
      path: 'sinceSeq',
      message: expect.stringMatching(/^there is no sinceSeq here: .*leave it out$/),
    })
    expect(await client.send('ask', { sessionId: 'demo', prompt: 'Hi', temperature: 2 })).toMatchObject({
      ok: false,
      code: 'invalid',
      message: expect.stringContaining('temperature'),
    })
    expect(await client.send('submit-feedback', vote(await addSample(world.pool), { raiting: 3 }))).toMatchObject({
      ok: false,
      code: 'invalid',
      message: expect.stringContaining('raiting'),
    })
    expect(await client.send('join-session', 'demo')).toMatchObject({ ok: true })
    client.close()
  })

  test('what the seed’s clients send beside a vote is taken and not read', async () => {
    const more = {
      userId: randomUUID(),
      timestamp: '2020-01-01T00:00:00Z',
      verified: true,
      blockchainHash: `0x${'1'.repeat(64)}`,
    }
    const cast = await ask<{ userId: string; verified: boolean; blockchainHash: null; timestamp: string }>(
      server,
      'POST',
      '/api/feedback',
      { token: ann.token, body: vote(await addSample(world.pool), more) },
    )
    expect(cast).toMatchObject({ userId: ann.user.userId, verified: false, blockchainHash: null })
    expect(cast.timestamp).not.toMatch(/^2020/)
  })

  test('the OpenAPI document says so', async () => {
    const document = (await request(server, 'GET', '/api/docs')).body as {
      info: { description: string }
      paths: Record<
        string,
        Record<string, { requestBody: { content: Record<string, { schema: { additionalProperties: boolean } }> } }>
      >
    }
    expect(document.info.description).toContain('refused with its path')
    expect(
      document.paths['/api/training/start']!.post!.requestBody.content['application/json']!.schema.additionalProperties,
    ).toBe(false)
  })

  test.each([
    ['learningrate', 'learningRate'],
    ['learning_rate', 'learningRate'],
    ['batch-size', 'batchSize'],
    ['epoch', 'epochs'],
    ['temprature', null],
    ['x', null],
  ])('%s is a slip of %s', (key, wanted) => {
    expect(nearest(key, ['learningRate', 'batchSize', 'epochs', 'validationSplit'])).toBe(wanted)
  })
})
