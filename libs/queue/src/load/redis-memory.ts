import type { Redis } from 'ioredis';
import { queueFull } from '../producers/queue-full.ts';
import { memoryOf } from '../redis/memory-info.ts';

/** How often the memory is read, ms. */
const SAMPLE_MS = 1_000;
/** Shares of `maxmemory`: at the first one new work is refused, and below the second one it is accepted again. */
const REFUSE_FROM = 0.85;
const ACCEPT_BELOW = 0.8;
/** When a refused caller should try again. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Refuses new work while Redis has little memory left. At its `maxmemory` Redis refuses every write that needs memory: then workers could not
 * answer what was accepted.
 *
 * The memory is read once a second and after each new connection. In between, the bytes of the work that this process adds are counted. Without a
 * `maxmemory`, without a connection, or if the user of Redis may not run INFO, nothing is refused: an old reading says nothing about the Redis of
 * the next connection.
 *
 * States: *accepting* ⇄ *refusing* → *closed* (`close`).
 */
export class RedisMemory {
  readonly #redis: Redis;
  readonly #timer: NodeJS.Timeout;
  #usedBytes = 0;
  #maxBytes = 0;
  /** Bytes that this process has added since the memory was read. */
  #addedBytes = 0;
  #isRefusing = false;
  #isReading = false;

  constructor(redis: Redis) {
    this.#redis = redis;
    this.#timer = setInterval(() => void this.#read(), SAMPLE_MS).unref();
    redis.on('ready', this.#onReady);
    redis.on('close', this.#onClose);
  }

  /** Admits work that writes so many bytes to Redis. @throws SconceError `queue_full`. */
  admit(bytes = 0): void {
    if (this.#maxBytes === 0) return;
    const usedBytes = this.#usedBytes + this.#addedBytes + bytes;
    if (this.#isRefusing || usedBytes > REFUSE_FROM * this.#maxBytes) {
      const part = `Redis uses ${this.#usedBytes} of its ${this.#maxBytes} bytes of memory`;
      throw queueFull(bytes === 0 ? part : `${part}, and this needs ${bytes} more`, RETRY_AFTER_SECONDS);
    }
    this.#addedBytes += bytes;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#redis.off('ready', this.#onReady);
    this.#redis.off('close', this.#onClose);
  }

  readonly #onReady = (): void => void this.#read();

  readonly #onClose = (): void => {
    this.#maxBytes = 0;
    this.#isRefusing = false;
  };

  async #read(): Promise<void> {
    if (this.#isReading || this.#redis.status !== 'ready') return;
    this.#isReading = true;
    const counted = this.#addedBytes;
    try {
      const { usedBytes, maxBytes } = memoryOf(await this.#redis.info('memory'));
      this.#usedBytes = usedBytes;
      this.#maxBytes = maxBytes;
      this.#addedBytes -= counted;
      const share = usedBytes / maxBytes;
      this.#isRefusing = maxBytes > 0 && share >= (this.#isRefusing ? ACCEPT_BELOW : REFUSE_FROM);
    } catch {
      // Redis is away, or its access rules forbid INFO. What was known before stays.
    } finally {
      this.#isReading = false;
    }
  }
}
