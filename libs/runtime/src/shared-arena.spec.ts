import { expect, it } from 'vitest';
import { SharedArena } from './shared-arena.ts';

it('uses a returned buffer again, and keeps only the allowed number of idle bytes', () => {
  const arena = new SharedArena({ maxIdleBytes: 16_384 });
  const small = arena.acquire(1);
  const large = arena.acquire(9_000);
  expect([small.byteLength, large.byteLength]).toEqual([4_096, 16_384]);
  arena.release(small);
  expect(arena.idleBytes).toBe(4_096);
  arena.release(large);
  expect(arena.idleBytes).toBe(4_096);
  expect(arena.acquire(4_096)).toBe(small);
  expect(arena.idleBytes).toBe(0);
});
