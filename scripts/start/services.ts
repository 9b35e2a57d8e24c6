/**
 * The real parts that Attune needs, privately and without configuration:
 * Postgres, Redis and an EVM chain. Used by `npm start` and by the tests.
 */
export type { Service, ServiceOptions } from './service.ts'
export { openChain, devKey } from './chain.ts'
export { openPostgres } from './postgres.ts'
export { openRedis } from './redis.ts'
export { freePort, portFor } from './ports.ts'
