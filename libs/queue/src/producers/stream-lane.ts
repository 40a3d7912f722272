import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { SconceError } from '@sconce/errors';
import type { PoolMonitor } from '../load/pool-monitor.ts';
import type { RedisMemory } from '../load/redis-memory.ts';
import { ProducerBacklog } from '../load/producer-backlog.ts';
import type { QueueConfig } from '../queue-config.ts';
import type { Keys } from '../redis/keys.ts';
import { bestEffort } from '../redis/redis-connection.ts';
import { ReplyStreamReader } from '../streams/reply-stream-reader.ts';
import { requestIdOf } from '../streams/request-entry.ts';
import { RespClient } from '../streams/resp-client.ts';
import { StreamRequests } from '../streams/stream-requests.ts';
import type { UsageNotes } from '../records/version-usage.ts';
import { queueFull } from './queue-full.ts';
import type { RequestAdmission } from './request-admission.ts';

/** When a caller should try again after its pool was full. */
const RETRY_AFTER_SECONDS = 5;

export interface StreamLaneOptions {
  readonly config: QueueConfig;
  readonly keys: Keys;
  /** The producer's connection for commands. */
  readonly redis: Redis;
  readonly memory: RedisMemory;
  readonly pools: PoolMonitor;
  readonly admission: RequestAdmission;
  readonly usage: UsageNotes;
  readonly onError: (error: Error) => void;
  readonly onLateReply: () => void;
  /** Called with requests in flight whose callers have gone. */
  readonly onGivenUp: (requestIds: string[]) => void;
}

/**
 * The producer's side of the pools' streams: its two connections, its reply stream and its requests.
 *
 * States: *open* (constructor; it does not wait for Redis) → *closed*.
 */
export class StreamLane {
  readonly requests: StreamRequests;
  readonly #redis: RespClient;
  readonly #replies: ReplyStreamReader;
  readonly #replyStream: string;
  readonly #backlog: ProducerBacklog;

  constructor(options: StreamLaneOptions) {
    const { config, keys, redis, memory, pools, admission, usage, onError, onLateReply, onGivenUp } = options;
    const { redisUrl: url, maxBacklog } = config;
    const producer = randomUUID();
    const replyStream = keys.replies(producer);
    this.#replyStream = replyStream;
    this.#redis = new RespClient({
      url,
      name: 'sconce.producer.online',
      onError,
      onReady: (again) => {
        if (again) this.requests.addAgain().catch(onError);
      },
    });
    this.requests = new StreamRequests({
      redis: this.#redis,
      keys,
      replyStream,
      admission,
      usage,
      threadsOf: (pool) => pools.view(pool)?.threads ?? 1,
      admit: (pool, bytes) => {
        memory.admit(bytes);
        if ((pools.view(pool)?.entries ?? 0) < maxBacklog) return;
        throw queueFull(`${maxBacklog} jobs are already waiting in the online lane`, RETRY_AFTER_SECONDS);
      },
      onLateReply,
      onGivenUp: (numbers) => {
        onGivenUp(numbers.map((number) => requestIdOf(replyStream, number)));
      },
    });
    this.#replies = new ReplyStreamReader({
      redisUrl: url,
      stream: replyStream,
      onReplies: (replies) => this.requests.onReplies(replies),
      onError,
    });
    this.#replies.start();
    this.#backlog = new ProducerBacklog({ redis, keys, producer, read: () => this.requests.backlog, onError });
  }

  /** Refuses the requests that still wait and closes the connections. */
  async close(error: SconceError): Promise<void> {
    this.requests.refuseAll(error);
    await bestEffort(this.#backlog.close());
    await this.#replies.stop();
    if (this.#redis.ready) await bestEffort(this.#redis.call('UNLINK', this.#replyStream));
    this.#redis.close();
  }
}
