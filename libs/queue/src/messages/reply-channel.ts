import type { Redis } from 'ioredis';
import type { Reply, ReplyMeta } from '@sconce/contracts';
import { deserializeError } from '@sconce/errors';
import { decodeFrame, encodeFrame, type Tensor } from '@sconce/tensor';

/** Time after its last use, seconds, at which a reply stream expires. */
const STREAM_TTL_SECONDS = 120;
/** How often the expiry of a stream in use is renewed. */
const RENEW_MS = 30_000;
/** Delivered entries, and the longest time, after which a stream is trimmed: to trim each entry by itself costs a command. */
const TRIM_ENTRIES = 64;
const TRIM_INTERVAL_MS = 1_000;
const READ_BLOCK_MS = 5_000;
const READ_COUNT = 256;
const RETRY_MS = 100;

/**
 * The worker's end of the reply channel. Answers of one turn of the event loop travel as one stream entry.
 *
 * A stream and not pub/sub, because a producer that loses its connection for a moment reads on from its last entry.
 */
export class ReplyWriter {
  readonly #redis: Redis;
  readonly #waiting = new Map<string, { replies: Reply[]; written: Promise<void> }>();
  /** Stream → when its expiry was last set. */
  readonly #renewed = new Map<string, number>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** Resolves when Redis holds the answer. */
  write(stream: string, reply: Reply): Promise<void> {
    const group = this.#waiting.get(stream);
    if (group !== undefined) {
      group.replies.push(reply);
      return group.written;
    }
    const replies = [reply];
    const written = new Promise<void>((resolve, reject) => {
      setImmediate(() => {
        this.#waiting.delete(stream);
        this.#send(stream, replies).then(resolve, reject);
      });
    });
    this.#waiting.set(stream, { replies, written });
    return written;
  }

  async #send(stream: string, replies: readonly Reply[]): Promise<void> {
    const frame = encodeReplies(replies);
    const now = performance.now();
    const renewedAtMs = this.#renewed.get(stream) ?? -Infinity;
    // A stream that exists already has an expiry. So nearly every entry costs one command instead of two.
    if (now - renewedAtMs < RENEW_MS && (await this.#redis.xadd(stream, 'NOMKSTREAM', '*', 'f', frame)) !== null)
      return;
    await Promise.all([
      this.#redis.xadd(stream, '*', 'f', frame),
      // Sent on the same connection, so Redis runs it after XADD.
      this.#redis.expire(stream, STREAM_TTL_SECONDS),
    ]);
    this.#renewed.set(stream, now);
    for (const [other, atMs] of this.#renewed) if (now - atMs > 2 * RENEW_MS) this.#renewed.delete(other);
  }
}

/**
 * The producer's end. States: *reading* (`start`) → *stopped* (`stop`). While Redis is away it keeps trying. Entries are
 * trimmed after their replies were delivered, some at a time, so an entry is delivered at least once.
 */
export class ReplyReader {
  readonly #redis: Redis;
  readonly #stream: string;
  readonly #onReply: (reply: Reply) => void;
  #lastId = '0-0';
  #untrimmed = 0;
  #trimmedAtMs = 0;
  #stopped = false;
  #loop: Promise<void> | undefined;

  /** @param options.redis a connection that only this reader uses, because it blocks. */
  constructor(options: { redis: Redis; stream: string; onReply: (reply: Reply) => void }) {
    this.#redis = options.redis;
    this.#stream = options.stream;
    this.#onReply = options.onReply;
  }

  start(): void {
    this.#loop ??= this.#read();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#redis.disconnect();
    await this.#loop;
  }

  async #read(): Promise<void> {
    while (!this.#stopped) {
      try {
        const found = await this.#redis.xreadBuffer(
          'COUNT',
          READ_COUNT,
          'BLOCK',
          READ_BLOCK_MS,
          'STREAMS',
          this.#stream,
          this.#lastId,
        );
        for (const [, entries] of found ?? []) this.#deliver(entries);
      } catch {
        // The connection reports its own errors. Here only the next attempt matters.
        if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #deliver(entries: readonly [id: Buffer, fields: Buffer[]][]): void {
    for (const [id, fields] of entries) {
      this.#lastId = id.toString();
      const frame = fields[1];
      if (frame !== undefined) for (const reply of decodeReplies(frame)) this.#onReply(reply);
    }
    this.#untrimmed += entries.length;
    const now = performance.now();
    if (this.#untrimmed < TRIM_ENTRIES && now - this.#trimmedAtMs < TRIM_INTERVAL_MS) return;
    this.#untrimmed = 0;
    this.#trimmedAtMs = now;
    // All replies up to lastId were delivered. Not awaited: the next read waits on the same connection.
    this.#redis.xtrim(this.#stream, 'MINID', nextId(this.#lastId)).catch(() => undefined);
  }
}

function nextId(id: string): string {
  const [ms, sequence] = id.split('-');
  return `${ms}-${BigInt(sequence ?? '0') + 1n}`;
}

function encodeReplies(replies: readonly Reply[]): Buffer {
  const tensors: Tensor[] = [];
  const meta = replies.map(({ id, outcome }): ReplyMeta => {
    if (!outcome.ok) return { id, outputs: 0, error: outcome.error };
    tensors.push(...outcome.outputs);
    return { id, outputs: outcome.outputs.length, timing: outcome.timing };
  });
  return encodeFrame({ meta, tensors });
}

function decodeReplies(frame: Buffer): Reply[] {
  const { meta, tensors } = decodeFrame(frame);
  let next = 0;
  return (meta as ReplyMeta[]).map(({ id, outputs, timing, error }): Reply => {
    if (timing === undefined) return { id, outcome: { ok: false, error: deserializeError(error).toJSON() } };
    const own = tensors.slice(next, next + outputs);
    next += outputs;
    return { id, outcome: { ok: true, outputs: own, timing } };
  });
}
