import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // On two processors the default is one, and most tests wait for threads of their own or other programs.
    maxWorkers: Math.max(2, availableParallelism() - 1),
  },
});
