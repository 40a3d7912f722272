import type { RespClient } from './resp-client.ts';
import { RespError, type RespReply } from './resp-parser.ts';
import { entriesIn } from './stream-entries.ts';

/** Consumer group of all workers of a pool. */
export const WORKERS_GROUP = 'workers';
/** An entry that its worker has not renewed for so long belongs to a dead worker, ms. */
const CLAIM_IDLE_MS = 3_000;
const CLAIM_COUNT = 16;
/** Entries of a dead worker that are claimed at a time, once nobody has claimed or renewed them for so long, ms. */
const CLAIM_DEAD_COUNT = 64;
const CLAIM_DEAD_IDLE_MS = 100;
/** A worker that has not read for so long is dead, ms. */
const DEAD_AFTER_MS = 600_000;

/** An entry that a dead worker left. */
export interface ClaimedEntry {
  readonly id: string;
  readonly frame: Buffer;
  /** Deliveries so far, this one included. */
  readonly deliveries: number;
}

/** The consumer group of a pool's stream, as one worker uses it. */
export class WorkersGroup {
  /** This worker's name in the group. */
  readonly consumer: string;
  readonly #redis: RespClient;
  readonly #stream: string;

  constructor(redis: RespClient, stream: string, consumer: string) {
    this.#redis = redis;
    this.#stream = stream;
    this.consumer = consumer;
  }

  /** Makes the group, and the stream, if they do not exist. */
  async create(): Promise<void> {
    try {
      await this.#redis.call('XGROUP', 'CREATE', this.#stream, WORKERS_GROUP, '0', 'MKSTREAM');
    } catch (error) {
      if (!(error instanceof RespError && error.code === 'BUSYGROUP')) throw error;
    }
  }

  /** Says that this worker still runs these entries. */
  async renew(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#redis.call('XCLAIM', this.#stream, WORKERS_GROUP, this.consumer, 0, ...ids, 'JUSTID');
  }

  /** Takes entries over that dead workers left. */
  async claim(): Promise<ClaimedEntry[]> {
    const { consumer } = this;
    const reply = await this.#redis.call(
      ...['XAUTOCLAIM', this.#stream, WORKERS_GROUP, consumer, CLAIM_IDLE_MS, '0', 'COUNT', CLAIM_COUNT],
    );
    const claimed: ClaimedEntry[] = [];
    for (const [id, frame] of Array.isArray(reply) ? entriesIn(reply[1]) : []) {
      const pending = await this.#redis.call('XPENDING', this.#stream, WORKERS_GROUP, id, id, 1);
      const deliveries = Array.isArray(pending) && Array.isArray(pending[0]) ? Number(pending[0][3]) : 1;
      claimed.push({ id, frame, deliveries });
    }
    return claimed;
  }

  /** Names of the consumers that hold entries. */
  async busyConsumers(): Promise<string[]> {
    const reply = await this.#redis.call('XPENDING', this.#stream, WORKERS_GROUP);
    const counts = Array.isArray(reply) && Array.isArray(reply[3]) ? reply[3] : [];
    return counts.flatMap((each) => (Array.isArray(each) ? [String(each[0])] : []));
  }

  /** Takes over the entries of a worker that is known to be dead. Of several workers that try, one gets an entry. */
  async claimFrom(dead: string): Promise<ClaimedEntry[]> {
    const pending = await this.#redis.call('XPENDING', this.#stream, WORKERS_GROUP, '-', '+', CLAIM_DEAD_COUNT, dead);
    const deliveries = new Map<string, number>();
    for (const each of Array.isArray(pending) ? pending : []) {
      if (Array.isArray(each)) deliveries.set(String(each[0]), Number(each[3]) + 1);
    }
    if (deliveries.size === 0) return [];
    const { consumer } = this;
    const reply = await this.#redis.call(
      ...['XCLAIM', this.#stream, WORKERS_GROUP, consumer, CLAIM_DEAD_IDLE_MS, ...deliveries.keys()],
    );
    return (Array.isArray(reply) ? entriesIn(reply) : []).map(([id, frame]) => ({
      id,
      frame,
      deliveries: deliveries.get(id) ?? 2,
    }));
  }

  /** Removes the names of dead workers that have no entries. */
  async removeDeadConsumers(): Promise<void> {
    const reply = await this.#redis.call('XINFO', 'CONSUMERS', this.#stream, WORKERS_GROUP);
    for (const each of Array.isArray(reply) ? reply : []) {
      const fields = fieldsOf(each);
      if (fields.get('pending') !== '0' || Number(fields.get('idle')) < DEAD_AFTER_MS) continue;
      await this.#redis.call('XGROUP', 'DELCONSUMER', this.#stream, WORKERS_GROUP, fields.get('name') ?? '');
    }
  }

  /** Removes this worker's name. With pending entries it stays: the group would forget them. */
  async leave(): Promise<void> {
    const pending = await this.#redis.call('XPENDING', this.#stream, WORKERS_GROUP, '-', '+', 1, this.consumer);
    if (!Array.isArray(pending) || pending.length > 0) return;
    await this.#redis.call('XGROUP', 'DELCONSUMER', this.#stream, WORKERS_GROUP, this.consumer);
  }
}

function fieldsOf(reply: RespReply): Map<string, string> {
  const list = Array.isArray(reply) ? reply.map(String) : [];
  return new Map(list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1] ?? '']] : [])));
}
