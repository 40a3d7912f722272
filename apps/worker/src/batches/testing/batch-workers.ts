import { join } from 'node:path';
import { afterAll, afterEach, beforeEach } from 'vitest';
import { queueConfigSchema } from '@sconce/queue';
import { storageConfigSchema } from '@sconce/storage';
import { startTelemetry, telemetryConfigFromEnv } from '@sconce/telemetry';
import { BatchWorker, type BatchWorkerOptions } from './batch-worker.ts';

/** Makes the workers of one spec file. Each test has keys and a store of its own, and its workers are closed at its end. */
export interface BatchWorkers {
  /** Another worker of the test's pool. */
  start(over?: Partial<BatchWorkerOptions>): Promise<BatchWorker>;
  /** Called at the end of the test, the latest first. */
  onEnd(close: () => Promise<unknown>): void;
}

/** Where the workers of a spec file keep what they have. */
export interface BatchWorkersPlace {
  readonly folder: string;
  readonly redis: { readonly url: string; readonly prefix: string };
}

/** To be called once, when a spec file is loaded. */
export async function batchWorkers({ folder, redis }: BatchWorkersPlace): Promise<BatchWorkers> {
  const traces = telemetryConfigFromEnv({}).traces;
  const telemetry = await startTelemetry({ service: 'worker', version: '0', instanceId: 'i', traces });
  afterAll(() => telemetry.shutdown());
  const closers: (() => Promise<unknown>)[] = [];
  let system = 0;
  let options: BatchWorkerOptions;
  beforeEach(() => {
    system += 1;
    options = {
      queue: queueConfigSchema.parse({ redisUrl: redis.url, keyPrefix: `${redis.prefix}-${system}` }),
      storage: storageConfigSchema.parse({ root: join(folder, String(system)) }),
      telemetry,
    };
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  return {
    onEnd: (close) => void closers.push(close),
    start: async (over = {}) => {
      const worker = await BatchWorker.start({ ...options, ...over });
      closers.push(() => worker.close());
      return worker;
    },
  };
}
