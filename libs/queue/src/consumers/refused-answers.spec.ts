import { afterEach, expect, it, vi } from 'vitest';
import { eventually, failOnLeaks, testRedis } from '@sconce/testing';
import { JobRecords } from '../records/job-records.ts';
import { QueueSystem, increment, request, tensor } from '../testing/queue-system.ts';

failOnLeaks();
const system = new QueueSystem(testRedis());
afterEach(() => system.close());

const TIMEOUT_MS = 60_000;

it(
  'a job whose result Redis refuses once does not fail: it runs again and succeeds',
  async () => {
    const config = system.config();
    const producer = system.producer(config);
    // Redis takes the next write: an error that is written instead of the result would stay.
    const refused = new Error("READONLY You can't write against a read only replica.");
    const finish = vi.spyOn(JobRecords.prototype, 'finish').mockRejectedValueOnce(refused);
    await system.consumer(config, increment);
    const { id } = await producer.submit(request([tensor([1])]), { lane: 'online' });
    const ended = await eventually(
      async () => {
        const job = await producer.job(id);
        return job.status === 'succeeded' || job.status === 'failed' ? job : false;
      },
      { timeoutMs: TIMEOUT_MS / 2 },
    );
    expect(ended).toMatchObject({ status: 'succeeded' });
    expect(finish.mock.calls.length).toBe(2);
    finish.mockRestore();
  },
  TIMEOUT_MS,
);
