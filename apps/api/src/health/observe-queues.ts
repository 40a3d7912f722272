import type { Census, InferenceProducer } from '@sconce/queue';
import type { Telemetry } from '@sconce/telemetry';

/** Feeds the metrics of queues, pools and Redis: one census for all of them at each scrape. While Redis is away only that is told. */
export function observeQueues(
  metrics: Telemetry['metrics'],
  producer: Pick<InferenceProducer, 'census' | 'outstanding'>,
): void {
  let underWay: Promise<Census | undefined> | undefined;
  const census = (): Promise<Census | undefined> =>
    (underWay ??= producer.census().finally(() => {
      underWay = undefined;
    }));
  metrics.outstandingRequests.observe(() => [{ value: producer.outstanding, labels: {} }]);
  metrics.redisUp.observe(async () => [{ value: (await census()) === undefined ? 0 : 1, labels: {} }]);
  metrics.redisMemory.observe(async () => {
    const memory = (await census())?.memory;
    if (memory === undefined) return [];
    return [
      { value: memory.usedBytes, labels: { kind: 'used' } },
      { value: memory.maxBytes, labels: { kind: 'max' } },
    ];
  });
  metrics.queueJobs.observe(async () =>
    ((await census())?.queues ?? []).flatMap(({ queue, jobs }) =>
      Object.entries(jobs).map(([state, value]) => ({ value, labels: { queue, state } })),
    ),
  );
  metrics.queueOldestAge.observe(async () =>
    ((await census())?.queues ?? []).map(({ queue, oldestAgeMs }) => ({
      value: oldestAgeMs / 1_000,
      labels: { queue },
    })),
  );
  metrics.poolWorkers.observe(async () =>
    ((await census())?.pools ?? []).map(({ pool, workers }) => ({ value: workers, labels: { pool } })),
  );
  metrics.poolBacklog.observe(async () =>
    ((await census())?.pools ?? []).map(({ pool, backlogSeconds }) => ({ value: backlogSeconds, labels: { pool } })),
  );
}
