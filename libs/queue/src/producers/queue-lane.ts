import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { SconceError } from '@sconce/errors';
import { ReplyReader } from '../messages/reply-channel.ts';
import type { QueueConfig } from '../queue-config.ts';
import type { Keys } from '../redis/keys.ts';
import { bestEffort, connectRedis } from '../redis/redis-connection.ts';
import type { LaneQueues } from './lane-queues.ts';
import { OnlineRequests } from './online-requests.ts';
import type { RequestAdmission } from './request-admission.ts';

export interface QueueLaneOptions {
  readonly config: QueueConfig;
  readonly keys: Keys;
  /** The producer's connection for commands. */
  readonly redis: Redis;
  readonly queues: LaneQueues;
  readonly admission: RequestAdmission;
  readonly onError: (error: Error) => void;
  readonly onLateReply: () => void;
  /** Called with requests in flight whose callers have gone. */
  readonly onGivenUp: (requestIds: string[]) => void;
}

/**
 * Carries online requests over BullMQ. It is only for pools that have workers of 0.1, which do not read the pool's stream (ADR 19). The
 * next release removes this class.
 *
 * States: *open* (constructor) → *closed*.
 */
export class QueueLane {
  readonly requests: OnlineRequests;
  readonly #redis: Redis;
  readonly #replies: ReplyReader;
  readonly #replyStream: string;
  readonly #onReady: () => void;

  constructor(options: QueueLaneOptions) {
    const { config, keys, redis, queues, admission, onError, onLateReply, onGivenUp } = options;
    this.#redis = redis;
    this.#replyStream = keys.replies(randomUUID());
    this.requests = new OnlineRequests({
      queues,
      keys,
      replyStream: this.#replyStream,
      admission,
      onLateReply,
      onGivenUp: (requestIds) => {
        onGivenUp([...requestIds]);
      },
    });
    this.#replies = new ReplyReader({
      redis: connectRedis({ url: config.redisUrl, role: 'patient', name: 'sconce.producer.replies', onError }),
      stream: this.#replyStream,
      onReply: (reply) => {
        this.requests.onReply(reply);
      },
    });
    this.#replies.start();
    this.#onReady = () => void this.requests.addAgain().catch(onError);
    redis.on('ready', this.#onReady);
  }

  /** Refuses the requests that still wait. */
  async close(error: SconceError): Promise<void> {
    this.#redis.off('ready', this.#onReady);
    this.requests.refuseAll(error);
    await this.#replies.stop();
    if (this.#redis.status === 'ready') await bestEffort(this.#redis.unlink(this.#replyStream));
  }
}
