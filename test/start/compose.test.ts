/** docker-compose.yml and .env.example against what the code reads. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { ConfigError, loadConfig } from '../../core/config.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const ComposeService = z.object({
  build: z.string().optional(),
  image: z.string().optional(),
  command: z.array(z.coerce.string()).optional(),
  restart: z.string(),
  environment: z.record(z.string(), z.coerce.string()).default({}),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
})
const Compose = z.object({ services: z.record(z.string(), ComposeService), volumes: z.record(z.string(), z.null()) })
const { services } = Compose.parse(parse(read('docker-compose.yml'), { merge: true }))

/** Names that core/config.ts reads. */
const configNames = new Set([...read('core/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+): \w/gm)].map((match) => match[1]))
/** Of compose and `npm start` themselves, and two of the seed system's that are accepted and not read. */
const otherNames = new Set([
  'ATTUNE_DATA',
  'BLOCKCHAIN_DISPUTE_WINDOW',
  'POSTGRES_PASSWORD',
  'REDIS_PASSWORD',
  'ELEVENLABS_API_KEY',
  'OPENAI_API_KEY',
])
const exampleNames = [...read('.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].flatMap((match) => match[1] ?? [])

const processes: Record<string, { entry: string; secrets: Parameters<typeof loadConfig>[1] }> = {
  server: { entry: 'server/main.ts', secrets: ['JWT_SECRET', 'DATA_KEY'] },
  trainer: { entry: 'trainer/main.ts', secrets: [] },
  recorder: { entry: 'contracts/recorder/main.ts', secrets: ['BLOCKCHAIN_PRIVATE_KEY'] },
}

test('.env.example explains every name that the code reads, and no other', () => {
  expect(configNames.size).toBeGreaterThan(12)
  expect(new Set(exampleNames)).toEqual(new Set([...configNames, ...otherNames]))
  for (const name of exampleNames) {
    expect(read('.env.example'), name).toMatch(new RegExp(`^# .+\\n(#?[A-Z_]+=.*\\n|# .+\\n)*#?${name}=`, 'm'))
  }
})

test('every name that a service of docker-compose.yml is given is read by the code', () => {
  for (const name of Object.keys(processes)) {
    for (const key of Object.keys(services[name]?.environment ?? {}))
      expect(configNames, `${name}: ${key}`).toContain(key)
  }
})

/** `${NAME:?…}` and `${NAME:-default}` as compose fills them in. */
function fillIn(value: string, given: Record<string, string>): string {
  return value.replace(/\$\{(\w+)(?::([?-])([^}]*))?\}/g, (_, name: string, kind: string | undefined, rest: string) => {
    if (given[name]) return given[name]
    if (kind === '-') return rest
    throw new Error(`compose: ${name} is required: ${rest}`)
  })
}

const given = {
  JWT_SECRET: 'x'.repeat(64),
  DATA_KEY: 'a'.repeat(64),
  POSTGRES_PASSWORD: 'one',
  REDIS_PASSWORD: 'two',
  BLOCKCHAIN_PRIVATE_KEY: `0x${'1'.repeat(64)}`,
  BLOCKCHAIN_RPC_URL: 'http://chain:8545',
  BLOCKCHAIN_NETWORK_ID: '31337',
  CONTRACT_ADDRESS: `0x${'2'.repeat(40)}`,
}
const environmentOf = (name: string, values: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(services[name]?.environment ?? {}).map(([key, value]) => [key, fillIn(value, values)]),
  )

test('with the values of .env each process accepts its configuration', () => {
  for (const [name, { entry, secrets }] of Object.entries(processes)) {
    expect(services[name]?.command?.at(-1)).toBe(entry)
    expect(existsSync(join(root, entry)), entry).toBe(true)
    expect(() => loadConfig(environmentOf(name, given), secrets), name).not.toThrow()
  }
})

test('S1: no secret has a default: without it compose stops with its name, and so does the process', () => {
  for (const secret of ['JWT_SECRET', 'DATA_KEY', 'POSTGRES_PASSWORD', 'REDIS_PASSWORD', 'BLOCKCHAIN_PRIVATE_KEY']) {
    expect(read('docker-compose.yml')).not.toMatch(new RegExp(`\\$\\{${secret}(:-[^}]*)?\\}`))
    const users = Object.keys(services).filter((name) =>
      Object.values(services[name]?.environment ?? {}).some((value) => value.includes(`\${${secret}:?`)),
    )
    expect(users, secret).not.toEqual([])
    for (const name of users) expect(() => environmentOf(name, { ...given, [secret]: '' })).toThrow(secret)
  }
  expect(() => loadConfig({ ...environmentOf('server', given), JWT_SECRET: '' }, ['JWT_SECRET'])).toThrow(ConfigError)
  expect(read('.env.example')).not.toMatch(
    /^(JWT_SECRET|DATA_KEY|BLOCKCHAIN_PRIVATE_KEY|POSTGRES_PASSWORD|REDIS_PASSWORD)=.+/m,
  )
})

test('each process gets the secrets that it needs and no other', () => {
  for (const [name, { secrets }] of Object.entries(processes)) {
    const has = ['JWT_SECRET', 'DATA_KEY', 'BLOCKCHAIN_PRIVATE_KEY'].filter(
      (key) => key in (services[name]?.environment ?? {}),
    )
    expect(has, name).toEqual(secrets)
  }
})

test('what others depend on has a health check', () => {
  for (const [name, { depends_on }] of Object.entries(services)) {
    for (const [needed, { condition }] of Object.entries(depends_on)) {
      expect(condition, `${name} → ${needed}`).toBe('service_healthy')
      expect(services[needed]?.healthcheck, needed).toBeDefined()
    }
  }
  expect(services.server?.healthcheck).toBeDefined()
})

test('package-lock.json names the packages of every platform, so that npm ci accepts it', () => {
  const Lock = z.object({
    packages: z.record(z.string(), z.object({ optionalDependencies: z.record(z.string(), z.string()).optional() })),
  })
  const { packages } = Lock.parse(JSON.parse(read('package-lock.json')))
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`${path}/node_modules/${name}` in packages) && !(`node_modules/${name}` in packages),
    ),
  )
  expect(missing).toEqual([])
})
