import { Redis, type RedisOptions } from 'ioredis';

/**
 * A client that `disconnect` always ends: it emits `end` and rejects the commands that wait for Redis.
 *
 * ioredis does neither when `disconnect` is called between two attempts to reconnect: it only cancels the next attempt.
 * BullMQ's `close` would then wait for ever. A copy ends together with the client that it was made from, because BullMQ
 * does not end the copy that it blocks on while Redis has never been reachable.
 */
export class EndableRedis extends Redis {
  readonly #copies: EndableRedis[] = [];
  /** Redis's number of this connection; undefined while it is not known. */
  #clientId: number | undefined;

  /** Copies made so far, in order. */
  get copies(): readonly EndableRedis[] {
    return this.#copies;
  }

  override disconnect(reconnect = false): void {
    // No socket is open or being opened. ioredis ends properly from its status `wait`.
    if (!reconnect && this.status === 'reconnecting') this.status = 'wait';
    super.disconnect(reconnect);
    if (!reconnect) for (const copy of this.#copies) copy.disconnect();
  }

  override duplicate(override: Partial<RedisOptions> = {}): Redis {
    const copy = new EndableRedis({ ...this.options, ...override, replyMapping: 'legacy' });
    this.#copies.push(copy);
    // This is the first listener, so its command goes out before the first one that blocks.
    copy.on('ready', () => void copy.#askClientId());
    return copy;
  }

  /** Ends the command that blocks on this copy, if one does, as if its timeout had passed. @param other a connection that does not block. */
  async unblock(other: Redis): Promise<void> {
    // Access rules of a Redis may forbid CLIENT UNBLOCK.
    if (this.#clientId !== undefined) await other.client('UNBLOCK', this.#clientId).catch(() => undefined);
  }

  async #askClientId(): Promise<void> {
    this.#clientId = undefined;
    // Access rules of a Redis may forbid CLIENT.
    this.#clientId = await this.client('ID').catch(() => undefined);
  }
}

/** Runs `make`, and returns its result with the copies of `redis` that were made meanwhile: a Worker blocks on its copy. */
export function withCopies<T>(
  redis: Redis,
  make: () => T,
): { readonly made: T; readonly copies: readonly EndableRedis[] } {
  const copiesOf = (): readonly EndableRedis[] => (redis instanceof EndableRedis ? redis.copies : []);
  const before = copiesOf().length;
  const made = make();
  return { made, copies: copiesOf().slice(before) };
}

/** Ends these connections; resolves when all have ended. */
export async function disconnectCopies(copies: readonly EndableRedis[]): Promise<void> {
  const open = copies.filter(({ status }) => status !== 'end');
  const ended = open.map((copy) => new Promise((resolve) => copy.once('end', resolve)));
  for (const copy of open) copy.disconnect();
  await Promise.all(ended);
}
