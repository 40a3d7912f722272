import { afterAll, describe, expect, it } from 'vitest';
import type { PoolBacklog } from '@sconce/contracts';
import { eventually, testRedis } from '@sconce/testing';
import type { BatchRecord } from '../batches/batch-record.ts';
import { Keys } from '../redis/keys.ts';
import { readPoolBacklog } from './pool-backlog.ts';
import { msLeft, rowsLeft } from './remaining-work.ts';
import { WorkerReporter } from './worker-reporter.ts';
import { queueConfigSchema } from '../queue-config.ts';
import { laneQueueName } from '../queue-names.ts';
import { closeRedis, connectRedis } from '../redis/redis-connection.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';

const { url, prefix } = testRedis();
const config = queueConfigSchema.parse({ redisUrl: url, keyPrefix: prefix });
const keys = new Keys(prefix);
const fail = (error: Error): void => {
  throw error;
};

const redis = connectRedis({ url, role: 'command', name: 'spec', onError: fail });
afterAll(() => closeRedis(redis));

function batch(given: Partial<BatchRecord>, pool = 'p'): BatchRecord {
  const counts = { rowsPlanned: 0, rowsDone: 0, rowsFailed: 0, chunksPlanned: 0, chunksDone: 0 };
  return {
    id: 'b',
    spec: { pool } as BatchRecord['spec'],
    status: 'in_progress',
    at: {},
    createdAtMs: 0,
    expiresAtMs: 0,
    run: 1,
    inputEnded: false,
    errors: [],
    endsAs: 'completed',
    ...counts,
    ...given,
  };
}

describe('the rest of a batch', () => {
  it.each([
    ['has as many rows as are known', { rowsTotal: 1_000, rowsPlanned: 300, rowsDone: 90, rowsFailed: 10 }, 900],
    ['is estimated for a text of which a tenth is read', { inputShare: 0.1, rowsPlanned: 300, rowsDone: 100 }, 2_900],
    [
      'has the planned rows once everything is planned',
      { inputEnded: true, rowsTotal: 1_000, rowsPlanned: 990, rowsDone: 900 },
      90,
    ],
    ['is unknown for a text that is not read yet', {}, undefined],
  ])('%s', (_name, given, rows) => {
    expect(rowsLeft(batch(given))).toBe(rows);
  });

  it.each([
    ['time by the pace of its chunks', { rowsTotal: 100_000_000, rowsDone: 1_000, pace: 10 }, 9_999_900],
    ['a second for a batch that is being validated', { status: 'validating' as const }, 1_000],
    ['a second for each chunk while none is timed', { rowsTotal: 1_000, chunksPlanned: 3 }, 3_000],
    ['at least a second', { rowsTotal: 10, rowsDone: 9, pace: 10 }, 1_000],
  ])('takes: %s', (_name, given, ms) => {
    expect(msLeft(batch(given))).toBeCloseTo(ms, 5);
  });
});

it('counts rows of batches that are in no chunk yet, as work of one worker', async () => {
  const left = { rowsTotal: 60_000, pace: 1, chunksPlanned: 3, chunksDone: 0 };
  const unfinished = [batch(left), batch(left), batch(left, 'other')];
  // No worker has ever reported: a job counts for a second, a worker scores two chunks at once.
  await redis.lpush(`${keys.bullmq}:${laneQueueName('p', 'online')}:wait`, '1', '2', '3');
  await redis.zadd(`${keys.bullmq}:${laneQueueName('p', 'batch')}:prioritized`, 1, '1', 2, '2', 3, '3', 4, '4');
  const backlog = await readPoolBacklog(redis, keys, { pool: 'p', unfinished });
  expect(backlog).toMatchObject({ jobs: 7, workers: 0, worker_seconds: 60 + 3, seconds: 60 + 3 });

  const connections = ['a', 'b'].map(() => new WorkerConnections(config, fail));
  const workers = connections.map(
    (own, n) => new WorkerReporter(own, { pool: 'p', id: `worker-${n}`, slots: 4, threads: 2 }),
  );
  const read = (): Promise<PoolBacklog> => readPoolBacklog(redis, keys, { pool: 'p', unfinished });
  await eventually(async () => {
    expect(await read()).toMatchObject({ workers: 2, worker_seconds: 30 + 3, seconds: 16.5 });
  });
  // One report of the workers that have gone tells how fast the next will be: half a second a job.
  for (const worker of workers) {
    worker.record('online', 'taken');
    await new Promise((resolve) => setTimeout(resolve, 500));
    worker.record('online', 'ended');
  }
  await Promise.all(workers.map((worker) => worker.close()));
  await Promise.all(connections.map((own) => own.close()));
  const later = await read();
  expect(later.workers).toBe(0);
  expect(later.worker_seconds).toBeGreaterThan(30 + 1.4);
  expect(later.worker_seconds).toBeLessThan(30 + 2.5);
  expect(await redis.hkeys(keys.poolRates('p'))).toEqual(['last']);
});
