import { expect, it } from 'vitest';
import { Slices } from './slices.ts';

/** A clock that work alone moves, and slices of 2 ms on it. */
function fakeTime(): { readonly slices: Slices; work: typeof work } {
  let nowMs = 0;
  const slices = new Slices({ sliceMs: 2, now: () => nowMs });
  /** Work of `steps` steps that take `stepMs` each. */
  function* work(
    steps: number,
    stepMs: number,
    onStep?: (step: number) => void,
  ): Generator<undefined, string, undefined> {
    for (let step = 0; step < steps; step++) {
      nowMs += stepMs;
      onStep?.(step);
      yield;
    }
    return 'done';
  }
  return { slices, work };
}

it('work that fits into a slice ends at once', () => {
  const { slices, work } = fakeTime();
  expect(slices.run(work(3, 0.5))).toBe('done');
});

it('long work lets turns of the event loop pass, and ends', async () => {
  const { slices, work } = fakeTime();
  let turns = 0;
  const count = (): void => {
    turns += 1;
    again = setImmediate(count);
  };
  let again = setImmediate(count);
  const result = slices.run(work(20, 1));
  expect(result).toBeInstanceOf(Promise);
  expect(await result).toBe('done');
  clearImmediate(again);
  // 20 ms in slices of 2 ms, of which this turn has one.
  expect(turns).toBeGreaterThanOrEqual(9);
});

it('all work shares one slice per turn, and takes turns', async () => {
  const { slices, work } = fakeTime();
  const turnsOf: Record<string, number[]> = { a: [], b: [], c: [] };
  let turn = 0;
  const count = (): void => {
    turn += 1;
    again = setImmediate(count);
  };
  let again = setImmediate(count);
  const results = ['a', 'b', 'c'].map((name) => slices.run(work(6, 1, () => turnsOf[name]?.push(turn))));
  // The first began at once and took the slice of this turn. The others wait.
  expect(turnsOf).toEqual({ a: [0, 0], b: [], c: [] });
  expect(await Promise.all(results)).toEqual(['done', 'done', 'done']);
  clearImmediate(again);
  const all = Object.values(turnsOf).flat();
  for (const each of new Set(all)) expect(all.filter((own) => own === each)).toHaveLength(2);
  expect(turnsOf['c']?.[0]).toBeLessThan(turnsOf['a']?.at(-1) ?? 0);
});

it('work that begins and ends at once spends the slice of the turn too', async () => {
  const { slices, work } = fakeTime();
  expect(slices.run(work(3, 0.5))).toBe('done');
  const first = slices.run(work(1, 1));
  const second = slices.run(work(1, 0));
  expect(first).toBeInstanceOf(Promise);
  expect(second).toBeInstanceOf(Promise);
  expect(await Promise.all([first, second])).toEqual(['done', 'done']);
});

it('passes on errors, at once and later, and goes on with other work', async () => {
  const { slices, work } = fakeTime();
  const failing = function* (steps: number): Generator<undefined, never, undefined> {
    yield* work(steps, 1);
    throw new Error('broken');
  };
  expect(() => slices.run(failing(0))).toThrow('broken');
  const later = slices.run(failing(10));
  const other = slices.run(work(2, 1));
  await expect(later).rejects.toThrow('broken');
  expect(await other).toBe('done');
});
