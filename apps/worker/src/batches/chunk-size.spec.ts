import { expect, it } from 'vitest';
import { chunkPriority, chunkWindow } from './chunk-size.ts';

const SLOTS_PER_WORKER = 2;

it.each([
  ['nobody is there, nothing timed', 0, undefined, 2],
  ['one worker, nothing timed', 2, undefined, 3],
  ['nobody is there', 0, 0.5, 8],
  ['one worker', 2, 0.5, 10],
  ['four workers', 8, 0.5, 24],
  ['fifty workers', 100, 0.5, 300],
])('%s: a bounded number of chunks is in the queue', (_name, slots, pace, expected) => {
  expect(chunkWindow(pace === undefined ? {} : { pace }, slots)).toBe(expected);
});

it('keeps enough chunks waiting that a pool of any size is to be doubled', () => {
  for (let workers = 1; workers <= 64; workers++) {
    const slots = workers * SLOTS_PER_WORKER;
    const waiting = chunkWindow({ pace: 1 }, slots) - slots;
    expect(waiting / SLOTS_PER_WORKER, `${workers} workers`).toBeGreaterThanOrEqual(2 * workers);
  }
});

it('lets the first chunks of a batch go before those of another that only wait, and never before a better priority', () => {
  const at = (priority: number, ahead: number): number => chunkPriority({ spec: { priority } }, { ahead, slots: 2 });
  expect([at(100, 0), at(100, 2)]).toEqual([200, 200]);
  expect([at(100, 3), at(100, 9)]).toEqual([201, 201]);
  expect(at(99, 9)).toBeLessThan(at(100, 0));
});
