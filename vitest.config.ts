import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Two cores: files that start real services run one after the other.
    fileParallelism: false,
    globalSetup: ['test/helpers/broker.ts'],
    setupFiles: ['test/helpers/leaks.ts'],
    reporters: ['default', './test/helpers/summary.ts'],
  },
})
