import { defineConfig } from 'vitest/config'

/**
 * Three stages, each a project, by folder. What computes is a unit test, in the folders named here and in `test/`
 * itself: it starts no service, and fails if it tries to. Browsers are driven in `test/e2e`. Every other folder's tests
 * have Postgres, Redis, chains and processes.
 */
const unit = [
  'test/*.test.ts',
  ...['client', 'engines', 'evaluation', 'exports', 'graph', 'models', 'pretrain', 'reward', 'rl', 'votes'].map(
    (folder) => `test/${folder}/**/*.test.ts`,
  ),
]
const e2e = ['test/e2e/**/*.test.ts']

const broker = 'test/helpers/broker.ts'
const leaks = 'test/helpers/leaks.ts'

export default defineConfig({
  test: {
    // Far beyond what any test takes on a quiet machine: no test is to fail for a busy one.
    testTimeout: 180_000,
    hookTimeout: 240_000,
    reporters: ['default', './test/helpers/summary.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: unit,
          setupFiles: [leaks, 'test/helpers/no-services.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // Files that start real services: two at a time, for two cores. Each has databases of its own.
        extends: true,
        test: {
          name: 'services',
          include: ['test/**/*.test.ts'],
          exclude: [...unit, ...e2e],
          globalSetup: [broker],
          setupFiles: [leaks],
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: e2e,
          globalSetup: [broker],
          setupFiles: [leaks],
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
