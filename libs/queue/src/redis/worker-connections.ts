import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Notice } from '@sconce/contracts';
import { noticeSubscription, publishNotice } from '../messages/notices.ts';
import type { QueueConfig } from '../queue-config.ts';
import { PRESENT } from '../streams/absent-workers.ts';
import { RespClient } from '../streams/resp-client.ts';
import { ConnectionCount } from './connection-count.ts';
import { Keys } from './keys.ts';
import { closeRedis, connectRedis } from './redis-connection.ts';

/**
 * The Redis connections that everything in one worker process shares. In addition, each `QueueConsumer` and the `StreamConsumer` block on
 * a connection of their own: eight connections for a worker with five queues and a stream.
 *
 * States: *open* (constructor; it does not wait for Redis) → *closed* (`close`, after everything that uses it).
 */
export class WorkerConnections {
  readonly config: QueueConfig;
  readonly keys: Keys;
  /** Name of this worker among the consumers of streams. */
  readonly workerId = `${PRESENT}${randomUUID()}`;
  /** For jobs, records, reports and statistics: commands wait while Redis is away. */
  readonly patient: Redis;
  /** Of `patient`. */
  readonly count: ConnectionCount;
  /** For answers to online requests, and for notices: commands fail when the connection is lost. */
  readonly online: RespClient;
  readonly onError: (error: Error) => void;
  #onNotice: (notice: Notice) => void = () => undefined;

  constructor(config: QueueConfig, onError: (error: Error) => void) {
    const { redisUrl: url, keyPrefix } = config;
    this.config = config;
    this.keys = new Keys(keyPrefix);
    this.onError = onError;
    this.patient = connectRedis({ url, role: 'patient', name: 'sconce.worker.jobs', onError });
    this.count = new ConnectionCount(this.patient);
    this.online = new RespClient({
      url,
      name: 'sconce.worker.online',
      onError,
      subscription: noticeSubscription(this.keys, (notice) => this.#onNotice(notice)),
      // Other workers see by it that this process lives.
      presence: this.keys.presence(this.workerId),
    });
  }

  /** Has `listener` called with each notice from now on. There is one listener. */
  listen(listener: (notice: Notice) => void): void {
    this.#onNotice = listener;
  }

  /** Sends a notice to every worker, this one included. */
  async notify(notice: Notice): Promise<void> {
    await publishNotice(this.patient, this.keys, notice);
  }

  async close(): Promise<void> {
    this.online.close();
    await closeRedis(this.patient);
  }
}
