import { defineConfig } from 'vitest/config';

/** Specs import the TypeScript sources (condition `@sconce/source`). Those of `test/` also start the built programs, as a user does. */
const resolve = { conditions: ['@sconce/source', 'node'] };
const ssr = { resolve };

export default defineConfig({
  test: {
    globalSetup: ['libs/testing/src/redis.global-setup.ts'],
    projects: [
      {
        extends: true,
        resolve,
        ssr,
        test: {
          name: 'unit',
          include: ['{libs,apps}/**/*.spec.ts'],
          exclude: ['**/node_modules/**', '**/dist/**'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
          // Many specs wait for a Redis or a timer.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        resolve,
        ssr,
        test: {
          name: 'tools',
          include: ['tools/**/*.spec.ts'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
      {
        extends: true,
        resolve,
        ssr,
        test: {
          name: 'system',
          include: ['test/**/*.spec.ts'],
          testTimeout: 90_000,
          hookTimeout: 90_000,
          // Each spec runs whole stacks, so one runs at a time, and nothing beside it.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
