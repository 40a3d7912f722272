import type { Redis } from 'ioredis';
import * as z from 'zod';
import type { Keys } from '../redis/keys.ts';

/** A kind is forgotten when no request of it has ended a process for so long. */
const KEPT_MS = 3_600_000;
const MAX_KINDS = 1_000;

/** A kind of request that has ended a process. */
export interface SuspectKind {
  readonly model: string;
  readonly version: string;
  /** The class of the inputs' sizes and values. */
  readonly kind: string;
  /** Whose request it was; empty if callers have no keys. */
  readonly owner: string;
}

const memberSchema = z.tuple([z.string(), z.string(), z.string(), z.string()]);

/** The kinds of requests that have ended processes: a sorted set, bounded, by the ms at which each is forgotten. */
export class SuspectKinds {
  readonly #redis: Redis;
  readonly #key: string;

  constructor({ redis, keys }: { readonly redis: Redis; readonly keys: Keys }) {
    this.#redis = redis;
    this.#key = keys.suspectKinds();
  }

  /** Adds a kind, or keeps it for longer. */
  async add({ model, version, kind, owner }: SuspectKind): Promise<void> {
    const nowMs = Date.now();
    await this.#redis
      .multi()
      .zadd(this.#key, nowMs + KEPT_MS, JSON.stringify([model, version, kind, owner]))
      .zremrangebyscore(this.#key, '-inf', nowMs)
      .zremrangebyrank(this.#key, 0, -MAX_KINDS - 1)
      .pexpire(this.#key, KEPT_MS)
      .exec();
  }

  /** All kinds that are not forgotten. */
  async all(): Promise<SuspectKind[]> {
    const members = await this.#redis.zrangebyscore(this.#key, Date.now(), '+inf');
    return members.flatMap((member) => {
      const parsed = memberSchema.safeParse(parse(member));
      if (!parsed.success) return [];
      const [model, version, kind, owner] = parsed.data;
      return [{ model, version, kind, owner }];
    });
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
