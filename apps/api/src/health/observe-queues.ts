import type { InferenceProducer, QueueSnapshot } from '@sconce/queue';
import type { Telemetry } from '@sconce/telemetry';

/** Feeds the metrics of queues, pools and Redis from one queue snapshot at each scrape. While Redis is away, only `redisUp` has a value. */
export function observeQueues(
  metrics: Telemetry['metrics'],
  producer: Pick<InferenceProducer, 'queueSnapshot' | 'outstanding'>,
): void {
  let pending: Promise<QueueSnapshot | undefined> | undefined;
  const snapshot = (): Promise<QueueSnapshot | undefined> =>
    (pending ??= producer.queueSnapshot().finally(() => {
      pending = undefined;
    }));
  metrics.outstandingRequests.observe(() => [{ value: producer.outstanding, labels: {} }]);
  metrics.redisUp.observe(async () => [{ value: (await snapshot()) === undefined ? 0 : 1, labels: {} }]);
  metrics.redisMemory.observe(async () => {
    const memory = (await snapshot())?.memory;
    if (memory === undefined) return [];
    return [
      { value: memory.usedBytes, labels: { kind: 'used' } },
      { value: memory.maxBytes, labels: { kind: 'max' } },
    ];
  });
  metrics.queueJobs.observe(async () =>
    ((await snapshot())?.queues ?? []).flatMap(({ queue, jobs }) =>
      Object.entries(jobs).map(([state, value]) => ({ value, labels: { queue, state } })),
    ),
  );
  metrics.queueOldestAge.observe(async () =>
    ((await snapshot())?.queues ?? []).map(({ queue, oldestAgeMs }) => ({
      value: oldestAgeMs / 1_000,
      labels: { queue },
    })),
  );
  metrics.poolWorkers.observe(async () =>
    ((await snapshot())?.pools ?? []).map(({ pool, workers }) => ({ value: workers, labels: { pool } })),
  );
  metrics.poolBacklog.observe(async () =>
    ((await snapshot())?.pools ?? []).map(({ pool, backlogSeconds }) => ({ value: backlogSeconds, labels: { pool } })),
  );
}
