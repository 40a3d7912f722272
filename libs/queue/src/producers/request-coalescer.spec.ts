import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestCoalescer, type CoalescerOptions } from './request-coalescer.ts';

interface Item {
  readonly id: number;
  readonly bytes: number;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp(bounds: Partial<Omit<CoalescerOptions<Item>, 'send'>> = {}) {
  const jobs: { key: string; ids: number[]; done: () => void }[] = [];
  const coalescer = new RequestCoalescer<Item>({
    maxFreshJobs: 1,
    freshMs: 60_000,
    maxJobsInFlight: 10,
    maxRequestsPerJob: 100,
    maxBytesPerJob: 1_000,
    ...bounds,
    send: (key, items) =>
      new Promise((resolve) => jobs.push({ key, ids: items.map((item) => item.id), done: resolve })),
  });
  return { coalescer, jobs };
}

describe('RequestCoalescer', () => {
  it('merges requests of one turn of the event loop, and requests that wait for a job to end', async () => {
    const { coalescer, jobs } = setUp();
    for (const id of [1, 2, 3]) coalescer.add('a', { id, bytes: 1 });
    await turn();
    for (const id of [4, 5]) coalescer.add('a', { id, bytes: 1 });
    await turn();
    expect(jobs.map((job) => job.ids)).toEqual([[1, 2, 3]]);
    jobs[0]?.done();
    await turn();
    await turn();
    expect(jobs.map((job) => job.ids)).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
  });

  it('keeps models apart: a blocked model does not delay another', async () => {
    const { coalescer, jobs } = setUp();
    coalescer.add('a', { id: 1, bytes: 1 });
    await turn();
    coalescer.add('a', { id: 2, bytes: 1 });
    coalescer.add('b', { id: 3, bytes: 1 });
    await turn();
    expect(jobs.map((job) => [job.key, job.ids])).toEqual([
      ['a', [1]],
      ['b', [3]],
    ]);
  });

  it('sends full jobs without waiting for earlier ones, up to a bound', async () => {
    const { coalescer, jobs } = setUp({ maxRequestsPerJob: 2, maxJobsInFlight: 3 });
    for (const id of [1, 2, 3, 4, 5]) coalescer.add('a', { id, bytes: 1 });
    await turn();
    // The last one may still be joined by others.
    expect(jobs.map((job) => job.ids)).toEqual([
      [1, 2],
      [3, 4],
    ]);
    for (const id of [6, 7, 8, 9]) coalescer.add('a', { id, bytes: 1 });
    await turn();
    expect(jobs.map((job) => job.ids).slice(2)).toEqual([[5, 6]]);
  });

  it('does not make requests wait for a job that takes long', async () => {
    const { coalescer, jobs } = setUp({ freshMs: 5 });
    coalescer.add('a', { id: 1, bytes: 1 });
    await turn();
    coalescer.add('a', { id: 2, bytes: 1 });
    await turn();
    expect(jobs).toHaveLength(1);
    await expect.poll(() => jobs.map((job) => job.ids)).toEqual([[1], [2]]);
  });

  it('holds requests back a little while answers wait for a thread, but no full job, and not when no job is in flight', async () => {
    const { coalescer, jobs } = setUp({ maxFreshJobs: 10, maxRequestsPerJob: 3 });
    const add = (...ids: number[]): void => {
      for (const id of ids) coalescer.add('a', { id, bytes: 1 });
    };
    add(1);
    await turn();
    for (let answers = 0; answers < 20; answers++) coalescer.noteWait('a', 400);
    add(2);
    await turn();
    add(3);
    await turn();
    expect(jobs.map((job) => job.ids)).toEqual([[1]]);
    await expect.poll(() => jobs.map((job) => job.ids)).toEqual([[1], [2, 3]]);
    add(4, 5, 6, 7);
    await turn();
    expect(jobs.map((job) => job.ids).slice(2)).toEqual([[4, 5, 6]]);
    await expect.poll(() => jobs.length).toBe(4);
    for (const job of jobs) job.done();
    await turn();
    add(8);
    await turn();
    expect(jobs.map((job) => job.ids).slice(4)).toEqual([[8]]);
    // Long ago: what counts is what answers wait now.
    for (let answers = 0; answers < 20; answers++) coalescer.noteWait('a', 1);
    add(9);
    await turn();
    expect(jobs.map((job) => job.ids).slice(5)).toEqual([[9]]);
  });

  it('removes only items that have not been sent', async () => {
    const { coalescer, jobs } = setUp();
    const [sent, waiting] = [
      { id: 1, bytes: 1 },
      { id: 2, bytes: 1 },
    ];
    coalescer.add('a', sent);
    await turn();
    coalescer.add('a', waiting);
    expect([coalescer.remove('a', sent), coalescer.remove('a', waiting)]).toEqual([false, true]);
    jobs[0]?.done();
    await turn();
    await turn();
    expect(jobs).toHaveLength(1);
  });

  it('sends every request once, in order, in jobs within the bounds (property)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), async (sizes) => {
        const { coalescer, jobs } = setUp({ maxJobsInFlight: 2, maxRequestsPerJob: 5, maxBytesPerJob: 30 });
        sizes.forEach((bytes, id) => {
          coalescer.add('a', { id, bytes });
        });
        await turn();
        // Grows while it is walked: each finished job lets another be sent.
        for (const job of jobs) {
          job.done();
          await turn();
          await turn();
        }
        expect(jobs.flatMap((job) => job.ids)).toEqual(sizes.map((_, id) => id));
        for (const { ids } of jobs) {
          expect(ids.length).toBeLessThanOrEqual(5);
          if (ids.length > 1) expect(ids.reduce((sum, id) => sum + (sizes[id] ?? 0), 0)).toBeLessThanOrEqual(30);
        }
      }),
      { numRuns: 50 },
    );
  });
});
