import { afterAll } from 'vitest';

const cleanups: (() => Promise<void> | void)[] = [];

// Registered when the spec file imports this module. So helpers may be called from hooks and tests too, where vitest does not accept an
// afterAll.
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

/** Runs `cleanup` after the last test of the spec file. The last registered runs first. */
export function atEndOfFile(cleanup: () => Promise<void> | void): void {
  cleanups.push(cleanup);
}
