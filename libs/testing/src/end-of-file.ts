import { afterAll } from 'vitest';

const cleanups: (() => Promise<void> | void)[] = [];

// Registered while the spec file imports this module, so that helpers may be called from anywhere in it, hooks and
// tests included, where vitest no longer accepts an afterAll.
afterAll(async () => {
  const errors: unknown[] = [];
  for (const cleanup of cleanups.splice(0).reverse()) {
    try {
      await cleanup();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'cleaning up after the spec file failed');
});

/** Runs `cleanup` after the last test of the spec file; last registered, first run. */
export function atEndOfFile(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}
