import * as z from 'zod';
import { isRedisUrl } from './redis/sentinel-url.ts';

/** Where the queues live and how much they may hold. */
export const queueConfigSchema = z.object({
  /** `redis://` or `rediss://` URL; with Sentinels `redis+sentinel://` or `rediss+sentinel://`, as `parseSentinelUrl` says. */
  redisUrl: z.string().refine(isRedisUrl, 'is not the URL of a Redis').default('redis://127.0.0.1:6379'),
  /** Replicas that must have a job or a batch before it is accepted. */
  minReplicas: z.int().min(0).default(0),
  /** Put in front of every key, so that several systems can share one Redis; empty for BullMQ's own default. */
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9._-]*$/)
    .default(''),
  /** Requests one producer keeps waiting for an answer; more are refused. */
  maxOutstanding: z.int().min(1).default(10_000),
  /** Bytes of request tensors one producer keeps in memory; more are refused. */
  maxOutstandingBytes: z
    .int()
    .min(1)
    .default(256 * 1024 ** 2),
  /** Jobs waiting in one queue; more are refused. */
  maxBacklog: z.int().min(1).default(10_000),
  /** Batches that have not ended; more are refused. */
  maxBatches: z.int().min(1).default(1_000),
  /** Bytes of results and files that may be stored in all; more are refused. */
  maxStoredBytes: z
    .int()
    .min(1)
    .default(1024 ** 4),
  /** Bytes of results and files that one owner may store; more are refused. */
  maxStoredBytesPerOwner: z
    .int()
    .min(1)
    .default(256 * 1024 ** 3),
  /** Jobs and batches of one owner that have not ended; more are refused. */
  maxUnfinishedPerOwner: z.int().min(1).default(5_000),
  /** Bytes of the inputs of one owner's jobs that have not ended; more are refused. */
  maxQueuedBytesPerOwner: z
    .int()
    .min(1)
    .default(256 * 1024 ** 2),
  /** How long an ended batch is remembered, seconds. */
  batchTtlSeconds: z
    .int()
    .min(1)
    .default(30 * 86_400),
  /** How long an accepted job may wait before it runs, seconds. */
  jobTtlSeconds: z.int().min(1).default(86_400),
  /** How long the queue job of a waiting job may be missing before the job fails, seconds. */
  lostJobSeconds: z.int().min(1).default(600),
  /** How long a finished job's result can be fetched, seconds. */
  resultTtlSeconds: z.int().min(1).default(86_400),
});

export type QueueConfig = z.infer<typeof queueConfigSchema>;
