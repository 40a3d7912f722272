import type { Redis } from 'ioredis';
import type { Notice } from '@sconce/contracts';
import { publishNotice } from '../messages/notices.ts';
import type { QueueConfig } from '../queue-config.ts';
import { Keys } from './keys.ts';
import { closeRedis, connectRedis } from './redis-connection.ts';

/**
 * The Redis connections that everything in one worker process shares. In addition, each `QueueConsumer` blocks on a
 * connection of its own and `NoticeListener` subscribes on one: eight connections for a worker with five queues.
 *
 * States: *open* (constructor; it does not wait for Redis) → *closed* (`close`, after everything that uses it).
 */
export class WorkerConnections {
  readonly config: QueueConfig;
  readonly keys: Keys;
  /** For jobs, records and answers: commands wait while Redis is away. */
  readonly patient: Redis;
  /** For reports and statistics: commands fail after some two seconds while Redis is away. */
  readonly command: Redis;
  readonly onError: (error: Error) => void;

  constructor(config: QueueConfig, onError: (error: Error) => void) {
    const { redisUrl: url, keyPrefix } = config;
    this.config = config;
    this.keys = new Keys(keyPrefix);
    this.onError = onError;
    this.patient = connectRedis({ url, role: 'patient', name: 'sconce.worker.jobs', onError });
    this.command = connectRedis({ url, role: 'command', name: 'sconce.worker.reports', onError });
  }

  /** Sends a notice to every worker, this one included. */
  async notify(notice: Notice): Promise<void> {
    await publishNotice(this.patient, this.keys, notice);
  }

  async close(): Promise<void> {
    await Promise.all([closeRedis(this.patient), closeRedis(this.command)]);
  }
}
