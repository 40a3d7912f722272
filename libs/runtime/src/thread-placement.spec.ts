import { describe, expect, it } from 'vitest';
import { ThreadPlacement, type PlacementThread } from './thread-placement.ts';

const threads = (...usage: readonly number[]): PlacementThread[] =>
  usage.map((currentUsage, index) => ({ id: index + 1, currentUsage }));

/** Two threads, of which the first holds `a`. */
function holding(): ThreadPlacement {
  const placement = new ThreadPlacement();
  placement.started('a', 1);
  placement.answered('a', 1, true);
  return placement;
}

describe('ThreadPlacement', () => {
  it('takes the least busy thread for a model that no thread holds', () => {
    expect(new ThreadPlacement().choose('a', threads(2, 1, 3), 0)?.id).toBe(2);
    expect(new ThreadPlacement().choose('a', [], 0)).toBeUndefined();
  });

  it('prefers threads that hold the model', () => {
    expect(holding().choose('a', threads(2, 0), 0)?.id).toBe(1);
    expect(holding().choose('b', threads(1, 0), 0)?.id).toBe(2);
  });

  it('loads the model in one more thread while all threads that hold it are busy, one at a time', () => {
    const placement = holding();
    expect(placement.spread('a', threads(0, 0))).toBeUndefined();
    expect(placement.spread('a', threads(1, 1))).toBeUndefined();
    expect(placement.spread('a', threads(1, 0, 0))?.id).toBe(2);
    placement.started('a', 2);
    expect(placement.spread('a', threads(1, 1, 0))).toBeUndefined();
    // Threads that hold the model still serve it.
    expect(placement.choose('a', threads(1, 1, 0), 0)?.id).toBe(1);
    placement.answered('a', 2, true);
    expect(placement.choose('a', threads(2, 1, 0), 0)?.id).toBe(2);
  });

  it('loads the model in an idle thread when that is faster than to wait for a thread that holds it', () => {
    const [holder, idle] = threads(0, 0) as [PlacementThread, PlacementThread];
    for (const [loadMs, expectedMs, thread] of [
      [10, 500, 2],
      [400, 500, 1],
      [1, 5, 1],
      [undefined, 500, 1],
    ] as const) {
      const placement = holding();
      if (loadMs !== undefined) placement.loaded('a', loadMs);
      placement.busy(holder, expectedMs, 1_000);
      expect(placement.choose('a', [{ ...holder, currentUsage: 1 }, idle], 1_000)?.id).toBe(thread);
    }
    // The run is almost at its end.
    const placement = holding();
    placement.loaded('a', 10);
    placement.busy(holder, 500, 1_000);
    expect(placement.choose('a', [{ ...holder, currentUsage: 1 }, idle], 1_495)?.id).toBe(1);
    // Another thread is almost free.
    const [first, second] = threads(1, 1) as [PlacementThread, PlacementThread];
    const both = holding();
    both.loaded('a', 10);
    both.busy(holder, 500, 1_000);
    both.busy(idle, 502, 1_000);
    expect(both.choose('a', [first, second], 1_000)?.id).toBe(1);
    both.busy({ ...second, currentUsage: 0 }, 3, 1_000);
    expect(both.choose('a', [first, second], 1_000)?.id).toBe(2);
    // A thread that loads another model is not taken.
    placement.started('b', 2);
    expect(placement.choose('a', [{ ...holder, currentUsage: 1 }, idle], 1_000)?.id).toBe(1);
  });

  it('never lets a run wait for another model to load', () => {
    const placement = holding();
    placement.started('b', 2);
    expect(placement.choose('c', threads(3, 1), 0)?.id).toBe(1);
    // It does wait for its own model to load.
    expect(placement.choose('b', threads(0, 1), 0)?.id).toBe(2);
  });

  it('forgets models that were unloaded, failed to load, or were in a thread that is gone', () => {
    for (const forget of [
      (placement: ThreadPlacement) => placement.dropped('a'),
      (placement: ThreadPlacement) => placement.answered('a', 1, false),
      (placement: ThreadPlacement) => placement.forgetThreads(),
    ]) {
      const placement = holding();
      forget(placement);
      expect(placement.choose('a', threads(1, 0), 0)?.id).toBe(2);
    }
  });
});
