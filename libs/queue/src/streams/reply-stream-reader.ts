import { decodeReplyEntry, type NumberedReply } from './reply-entry.ts';
import { RespClient } from './resp-client.ts';
import { entriesIn } from './stream-entries.ts';

/** Entries that have been read and still lie in the stream, and for how long: a trim for each would cost a command. */
const TRIM_ENTRIES = 64;
const TRIM_INTERVAL_MS = 1_000;
const READ_BLOCK_MS = 5_000;
const READ_COUNT = 256;
/** After a read of more bytes, entries are read one by one, and removed at once: large answers must not be in memory together, here or in Redis. */
const LARGE_READ_BYTES = 4 * 1024 ** 2;
const RETRY_MS = 100;

export interface ReplyStreamReaderOptions {
  readonly redisUrl: string;
  readonly stream: string;
  /** Called with the answers that came together. */
  readonly onReplies: (replies: readonly NumberedReply[]) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Reads the answers to one producer.
 *
 * States: *reading* (`start`) → *stopped* (`stop`). It reads on from the last entry after a lost connection, so it misses no answer.
 */
export class ReplyStreamReader {
  readonly #options: ReplyStreamReaderOptions;
  readonly #redis: RespClient;
  #lastId = '0-0';
  #untrimmed = 0;
  #trimmedAtMs = 0;
  /** Bytes of the entries that were read last. */
  #readBytes = 0;
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: ReplyStreamReaderOptions) {
    this.#options = options;
    this.#redis = new RespClient({ url: options.redisUrl, name: 'sconce.producer.replies', onError: options.onError });
  }

  start(): void {
    this.#loop ??= this.#read();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#redis.close();
    await this.#loop;
  }

  async #read(): Promise<void> {
    const { stream } = this.#options;
    while (!this.#stopped) {
      try {
        const count = this.#readBytes > LARGE_READ_BYTES ? 1 : READ_COUNT;
        const found = await this.#redis.call(
          ...['XREAD', 'COUNT', count, 'BLOCK', READ_BLOCK_MS, 'STREAMS', stream, this.#lastId],
        );
        const [first] = Array.isArray(found) ? found : [];
        this.#deliver(entriesIn(Array.isArray(first) ? first[1] : undefined));
      } catch {
        // The connection reports its errors itself; the loop only goes on.
        if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  #decode([, frame]: readonly [id: string, frame: Buffer]): NumberedReply[] {
    try {
      return decodeReplyEntry(frame);
    } catch (error) {
      this.#options.onError(error as Error);
      return [];
    }
  }

  #deliver(entries: readonly [id: string, frame: Buffer][]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#readBytes = 0;
    for (const [, { byteLength }] of entries) this.#readBytes += byteLength;
    this.#options.onReplies(
      entries.length === 1 ? this.#decode(last) : entries.flatMap((entry) => this.#decode(entry)),
    );
    [this.#lastId] = last;
    this.#untrimmed += entries.length;
    const nowMs = performance.now();
    const isLarge = this.#readBytes > LARGE_READ_BYTES;
    if (!isLarge && this.#untrimmed < TRIM_ENTRIES && nowMs - this.#trimmedAtMs < TRIM_INTERVAL_MS) return;
    this.#untrimmed = 0;
    this.#trimmedAtMs = nowMs;
    // Not awaited: the next read goes down the same connection behind it.
    this.#redis.call('XTRIM', this.#options.stream, 'MINID', nextId(this.#lastId)).catch(this.#options.onError);
  }
}

function nextId(id: string): string {
  const [ms, sequence] = id.split('-');
  return `${ms}-${BigInt(sequence ?? '0') + 1n}`;
}
