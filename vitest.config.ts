import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    globalSetup: ['test/madeOnce.ts'],
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'web/**/*.test.{ts,tsx}'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    // As in src/cli/main.ts: threads that end must not end the process.
    execArgv: ['--wasm-wrapper-tiering-budget=1000000000'],
  },
})
