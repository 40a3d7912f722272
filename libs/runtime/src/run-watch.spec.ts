import { describe, expect, it } from 'vitest';
import { RunWatch, type WatchedTask } from './run-watch.ts';

const task = (model?: string): WatchedTask => (model === undefined ? {} : { file: { model, version: '1' } });

describe('RunWatch', () => {
  it('finds the run that does not end at the second check', () => {
    const watch = new RunWatch({ maxRunMs: 100 });
    watch.started(task('good'), 1, 0);
    watch.started(task('bad'), 2, 0);
    watch.started(task('good'), 2, 10);
    expect(watch.check(100)).toBeUndefined();
    expect(watch.check(150)).toBeUndefined();
    expect(watch.check(160)?.runMs).toBe(160);
  });

  it('has a run end at its own limit, if it has one', () => {
    const watch = new RunWatch({ maxRunMs: 100 });
    watch.started({ ...task('quick'), runMs: 20 }, 1, 0);
    watch.started(task('other'), 2, 0);
    expect(watch.check(20)).toBeUndefined();
    expect(watch.check(21)).toBeUndefined();
    expect(watch.check(22)).toMatchObject({ file: { model: 'quick' }, runMs: 22 });
  });

  it('counts the time of a run from the answer to the task before it in its thread', () => {
    const watch = new RunWatch({ maxRunMs: 100 });
    const [first, second] = [task('a'), task('b')];
    watch.started(first, 1, 0);
    watch.started(second, 1, 0);
    watch.ended(first, 90);
    for (const nowMs of [120, 150, 190]) expect(watch.check(nowMs)).toBeUndefined();
    expect(watch.check(195)).toBeUndefined();
    expect(watch.check(200)).toEqual({ file: { model: 'b', version: '1' }, runMs: 110 });
  });

  it('does not count a run as hung when the event loop stood still and the answer had come', () => {
    const watch = new RunWatch({ maxRunMs: 100 });
    const run = task('a');
    watch.started(run, 1, 0);
    expect(watch.check(5_000)).toBeUndefined();
    watch.ended(run, 5_000);
    watch.started(task('a'), 1, 5_001);
    expect(watch.check(5_090)).toBeUndefined();
    expect(watch.check(5_200)).toBeUndefined();
    expect(watch.check(5_201)).toEqual({ file: { model: 'a', version: '1' }, runMs: 200 });
  });

  it('does not watch tasks without a file, and forgets tasks that end in any order', () => {
    const watch = new RunWatch({ maxRunMs: 100 });
    const [digest, run] = [task(), task('a')];
    watch.started(digest, 1, 0);
    watch.started(run, 1, 0);
    for (const nowMs of [200, 300]) expect(watch.check(nowMs)).toBeUndefined();
    watch.ended(run, 300);
    watch.ended(run, 300);
    watch.ended(digest, 300);
    watch.started(task('b'), 1, 400);
    expect(watch.check(450)).toBeUndefined();
  });

  describe('of an overdue run', () => {
    const overdue = (asked: boolean[], more: Partial<WatchedTask> = {}): WatchedTask => ({
      ...task('a'),
      overdueMs: 20,
      onOverdue: () => asked.shift() ?? false,
      ...more,
    });

    it('asks from the second look on whether it is abandoned, and tells that once, with what waits behind it', () => {
      const watch = new RunWatch({ maxRunMs: 100 });
      const [run, behind] = [overdue([false, true]), task('b')];
      watch.started(run, 1, 0);
      watch.started(behind, 1, 0);
      const looks = [20, 21, 22, 23, 24].map((nowMs) => watch.abandoned(nowMs, 9));
      expect(looks).toEqual([[], [], [], [{ thread: 1, tasks: [run, behind] }], []]);
      expect([watch.isFirst(run), watch.isFirst(behind)]).toEqual([true, false]);
    });

    it('asks for no more threads than may be replaced', () => {
      const watch = new RunWatch({ maxRunMs: 1_000 });
      const asked = [[true], [true], [true]];
      for (const [i, answers] of asked.entries()) watch.started(overdue(answers), i, 0);
      expect([30, 40, 50].map((nowMs) => watch.abandoned(nowMs, 2).length)).toEqual([0, 2, 1]);
      expect(watch.abandoned(60, 0)).toEqual([]);
      expect(asked).toEqual([[], [], []]);
    });

    it('does not ask when the event loop stood still and the answer had come', () => {
      const watch = new RunWatch({ maxRunMs: 1_000 });
      const [first, second] = [overdue([true]), overdue([true])];
      watch.started(first, 1, 0);
      watch.started(second, 1, 0);
      expect(watch.abandoned(500, 9)).toEqual([]);
      watch.ended(first, 501);
      expect(watch.abandoned(530, 9)).toEqual([]);
      watch.ended(second, 540);
      expect(watch.abandoned(600, 9)).toEqual([]);
    });

    it.each<[string, Partial<WatchedTask>, number]>([
      ['the instance’s', {}, 1_200],
      ['its model’s', { runMs: 50 }, 1_100],
      ['that of running alone', { file: { model: 'a', version: '1', aloneMs: 10 } }, 1_020],
    ])('that is abandoned counts as hung after twice the limit and a second: %s', (_, more, limitMs) => {
      const watch = new RunWatch({ maxRunMs: 100 });
      watch.started(overdue([true], more), 1, 0);
      for (const nowMs of [21, 22]) watch.abandoned(nowMs, 9);
      for (const nowMs of [limitMs, limitMs + 1]) expect(watch.check(nowMs)).toBeUndefined();
      expect(watch.check(limitMs + 2)).toMatchObject({ runMs: limitMs + 2, isAbandoned: true });
    });
  });
});
