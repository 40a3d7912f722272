import { Buffer } from 'node:buffer';
import type { Redis } from 'ioredis';
import type { BlobStore } from '@sconce/storage';
import { BatchProducer } from '../batches/batch-producer.ts';
import { BatchWork } from '../batches/batch-work.ts';
import { WorkerReporter } from '../load/worker-reporter.ts';
import { ReplyWriter } from '../messages/reply-channel.ts';
import { InferenceProducer } from '../producers/inference-producer.ts';
import type { QueueConfig } from '../queue-config.ts';
import { JobRecords } from '../records/job-records.ts';
import { Keys } from '../redis/keys.ts';
import { WorkerConnections } from '../redis/worker-connections.ts';
import { request, tensor } from './queue-system.ts';

// For specs: writes every message and record once, and returns them as they lie in Redis. The fixtures of earlier commits
// were made by the same steps.

/** Messages and records by name: parsed jobs, hashes, and texts or base64 as stored. */
export type Written = Readonly<Record<string, unknown>>;

const TRACE = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'vendor=1' };
const TIMING = { queueMs: 1.5, batchMs: 0.25, runMs: 3, batchRows: 2 };
const SECRET = 'whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz';
const RANGE = { firstRow: 0, rows: 2, offset: 4, length: 8 };
const PART = {
  index: 0,
  rows: 1,
  failed: 1,
  output: { key: 'batches/b/0', bytes: 12, trailer: 3 },
  errors: { key: 'batches/b/0.errors', bytes: 40 },
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** @param redis an open connection to the Redis of `config`. */
export async function writeEverything(redis: Redis, config: QueueConfig, store: BlobStore): Promise<Written> {
  const keys = new Keys(config.keyPrefix);
  const jobsOf = async (queue: string): Promise<{ name: string; data: unknown; opts: unknown }[]> => {
    const waiting = await redis.lrange(`${keys.bullmq}:${queue}:wait`, 0, -1);
    const prioritized = await redis.zrange(`${keys.bullmq}:${queue}:prioritized`, '0', '-1');
    const hashes = await Promise.all(
      [...waiting, ...prioritized].map((id) => redis.hgetall(`${keys.bullmq}:${queue}:${id}`)),
    );
    return hashes.map(({ name = '', data = '', opts = '' }) => ({
      name,
      data: JSON.parse(data),
      opts: JSON.parse(opts),
    }));
  };
  const out: Record<string, unknown> = {};
  const producer = new InferenceProducer(config);
  const caller = new AbortController();
  const deadline = { deadlineMs: Date.now() + 20_000, signal: caller.signal };
  const asked = [
    producer.infer({ ...request([tensor([1, 2])]), priority: 7, trace: TRACE }, deadline),
    producer.infer(request([tensor([3])]), deadline),
  ].map((answer) => answer.catch(() => undefined));
  await pause(300);
  out['infer'] = (await jobsOf('sconce.default.online'))[0];
  const { id } = await producer.submit(
    { ...request([tensor([4, 5])]), trace: TRACE },
    {
      lane: 'batch',
      attachment: { how: 'json' },
      idempotency: { key: 'k', scope: 'job', fingerprint: 'f' },
      submitter: { id: 'key-1', maxUnfinished: 10 },
    },
  );
  out['durableInfer'] = (await jobsOf('sconce.default.batch'))[0];
  const records = new JobRecords({ redis, keys, config });
  const jobRecords: Record<string, unknown> = { queued: await redis.hgetall(keys.job(id)) };
  await records.start(id);
  jobRecords['running'] = await redis.hgetall(keys.job(id));
  await records.finish(id, { ok: true, outputs: [tensor([5, 6], 'y')], timing: TIMING });
  jobRecords['succeeded'] = await redis.hgetall(keys.job(id));
  jobRecords['result'] = (await redis.getBuffer(keys.result(id)))?.toString('base64');
  const failed = await producer.submit(request([tensor([4])]), { lane: 'batch' });
  const error = { code: 'inference_failed', message: 'bad row', details: { param: 'x' } } as const;
  await records.finish(failed.id, { ok: false, error });
  jobRecords['failed'] = await redis.hgetall(keys.job(failed.id));
  const cancelled = await producer.submit(request([tensor([4])]), { lane: 'batch' });
  await producer.cancel(cancelled.id);
  jobRecords['cancelled'] = await redis.hgetall(keys.job(cancelled.id));
  out['jobRecords'] = jobRecords;
  await producer.register({ v: 1, model: 'm', version: '2', trace: TRACE });
  out['registration'] = (await jobsOf('sconce.registration'))[0];
  const writer = new ReplyWriter(redis);
  const stream = keys.replies('golden');
  const refused = { code: 'invalid_tensor', message: 'no good', details: { param: 'x' } } as const;
  await Promise.all([
    writer.write(stream, { id: 'r1', outcome: { ok: true, outputs: [tensor([1, 2], 'y')], timing: TIMING } }),
    writer.write(stream, { id: 'r2', outcome: { ok: false, error: refused } }),
  ]);
  out['replyEntry'] = (await redis.xrangeBuffer(stream, '-', '+'))[0]?.[1][1]?.toString('base64');

  const connections = new WorkerConnections(config, () => undefined);
  const work = new BatchWork(connections);
  Object.assign(out, await writeBatch(redis, { config, keys, store, work, jobsOf }));
  const reporter = new WorkerReporter(connections, { pool: 'default', id: 'w1', slots: 4, threads: 2 });
  reporter.record('online', 'taken');
  await pause(100);
  reporter.record('online', 'ended');
  // Reports are written every five seconds.
  await pause(5_500);
  const alive = (await redis.hgetall(keys.poolRates('default')))['w1'];
  await reporter.close();
  out['workerReports'] = { alive, last: (await redis.hgetall(keys.poolRates('default')))['last'] };
  caller.abort();
  await Promise.all(asked);
  await Promise.all([producer.close(), work.close()]);
  await connections.close();
  return out;
}

interface BatchSystem {
  readonly config: QueueConfig;
  readonly keys: Keys;
  readonly store: BlobStore;
  readonly work: BatchWork;
  readonly jobsOf: (queue: string) => Promise<{ readonly name: string }[]>;
}

async function writeBatch(redis: Redis, { config, keys, store, work, jobsOf }: BatchSystem): Promise<Written> {
  const out: Record<string, unknown> = {};
  const models = async (name: string): Promise<{ name: string; version: string; pool: string }> => ({
    name,
    version: '1',
    pool: 'default',
  });
  const batches = new BatchProducer({ config, store, models, maxFileBytes: 1e6 });
  const file = await batches.createFile(Buffer.from('a,b\n1,2\n3,4\n'), () => ({
    filename: 'rows.csv',
    purpose: 'batch',
    mediaType: 'text/csv',
    expiresAfterSeconds: 3_600,
  }));
  out['fileRecord'] = await redis.get(keys.file(file.id));
  const { id } = await batches.submit(
    {
      model: 'm',
      input_file_id: file.id,
      inputs: { x: ['a', 'b'] },
      pass_through: ['a'],
      metadata: { team: 'one' },
      output_expires_after: { anchor: 'created_at', seconds: 7_200 },
      webhook: { url: 'https://example.com/hook', secret: SECRET },
      priority: 5,
      max_error_rate: 0.5,
    },
    { trace: TRACE },
  );
  out['planner'] = (await jobsOf('sconce.planner'))[0];
  const records: Record<string, unknown> = { id, validating: await redis.hgetall(keys.batch(id)) };
  const epoch = (await work.records.takeOver(id, 1)) ?? 0;
  const planned = { plan: JSON.stringify({ some: 'plan' }), rows_total: 2 };
  await work.records.enter(id, 'in_progress', { from: ['validating'], epoch, fields: planned });
  const cursor = { row: 2, offset: 12 };
  await work.records.plan(id, epoch, { chunks: [{ index: 0, range: RANGE }], cursor, ended: true, share: 1 });
  const chunk = { v: 1, batchId: id, run: 1, index: 0, model: 'm', version: '1', range: RANGE } as const;
  await work.queues.addChunks('default', [{ data: chunk, priority: 9 }]);
  out['chunk'] = (await jobsOf('sconce.default.batch')).find(({ name }) => name === 'chunk');
  const token = Number(await work.records.beginChunk(id, 1, 0));
  await work.records.commitChunk(id, { run: 1, token, part: PART, tookMs: 20 });
  records['in_progress'] = await redis.hgetall(keys.batch(id));
  for (const part of ['chunks', 'parts', 'tokens'] as const) records[part] = await redis.hgetall(keys.batch(id, part));
  await work.records.enter(id, 'finalizing', { from: ['in_progress'], epoch, fields: { ends_as: 'completed' } });
  const errors = JSON.stringify([{ code: 'invalid_dataset', message: 'odd', param: null, line: 3 }]);
  const fields = { output_file_id: 'file-out', error_file_id: 'file-err', errors };
  await work.records.finish(id, 'completed', { from: ['finalizing'], epoch, fields });
  records['completed'] = await redis.hgetall(keys.batch(id));
  out['batchRecords'] = records;
  out['removals'] = await redis.zrange(keys.removals(), '0', '-1');
  await work.webhooks.add({
    v: 1,
    eventId: `evt_${id}_1`,
    type: 'batch.completed',
    createdAt: 1_796_000_000,
    data: { id },
    url: 'https://example.com/hook',
    secret: SECRET,
    trace: TRACE,
  });
  out['webhook'] = (await jobsOf('sconce.webhooks'))[0];
  await work.announceSlots('default', { id: 'w1', slots: 4 });
  out['slots'] = await redis.zrange(keys.slots('default'), '0', '-1');
  await batches.close();
  return out;
}
