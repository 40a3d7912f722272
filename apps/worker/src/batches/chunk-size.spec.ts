import { expect, it } from 'vitest';
import { chunkPriority, chunkWindow } from './chunk-size.ts';

const SLOTS_PER_WORKER = 2;

it.each([
  ['no worker, no chunk timed', 0, undefined, 2],
  ['one worker, no chunk timed', 2, undefined, 3],
  ['no worker', 0, 0.5, 8],
  ['one worker', 2, 0.5, 10],
  ['four workers', 8, 0.5, 24],
  ['fifty workers', 100, 0.5, 300],
])('%s: a bounded number of chunks is in the queue', (_name, slots, pace, expected) => {
  expect(chunkWindow({ pace }, slots)).toBe(expected);
});

it('keeps enough waiting chunks to double a pool of any size', () => {
  for (let workers = 1; workers <= 64; workers++) {
    const slots = workers * SLOTS_PER_WORKER;
    const waiting = chunkWindow({ pace: 1 }, slots) - slots;
    expect(waiting / SLOTS_PER_WORKER, `${workers} workers`).toBeGreaterThanOrEqual(2 * workers);
  }
});

it('puts the first chunks of a batch before waiting chunks of another batch, and never before a better priority', () => {
  const at = (priority: number, ahead: number): number => chunkPriority({ spec: { priority } }, { ahead, slots: 2 });
  expect([at(100, 0), at(100, 2)]).toEqual([200, 200]);
  expect([at(100, 3), at(100, 9)]).toEqual([201, 201]);
  expect(at(99, 9)).toBeLessThan(at(100, 0));
});
