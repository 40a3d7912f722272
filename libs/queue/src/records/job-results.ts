import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { Redis } from 'ioredis';
import { SconceError } from '@sconce/errors';
import type { BlobStore } from '@sconce/storage';
import {
  FRAME_PREFIX_BYTES,
  decodeFrame,
  encodeFrame,
  frameHeaderEnd,
  framePieces,
  readFrameHeader,
  type PlacedTensor,
  type Tensor,
} from '@sconce/tensor';
import type { Removal } from '../files/file-records.ts';
import type { Keys } from '../redis/keys.ts';
import { SCHEDULE_REMOVAL } from './job-scripts.ts';

/** Larger results go to the blob store: Redis holds all of its data in memory. */
const MAX_INLINE_BYTES = 64 * 1024;
/** A blob whose worker died before it ended the job is removed after this time at the earliest, s. A run takes less. */
const MIN_ORPHAN_SECONDS = 3_600;

/** A result as it is stored: the frame itself, or the key of the blob that holds it. */
export interface StoredResult {
  readonly bytes: number;
  readonly inline?: Buffer;
  readonly blob?: string;
}

/** A large result: its outputs are read from the blob store when they are needed. */
export interface StoredOutputs {
  readonly outputs: readonly PlacedTensor[];
  /** Bytes of the frame that holds all outputs. */
  readonly byteLength: number;
  /** The data of one output. The caller reads it to the end or destroys it. @throws SconceError `job_not_found` if it has expired. */
  stream(output: PlacedTensor): Promise<Readable>;
  /** All outputs, in memory. @throws SconceError `job_not_found` if they have expired. */
  load(): Promise<readonly Tensor[]>;
}

export interface JobResultsOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly config: { readonly resultTtlSeconds: number };
  readonly store?: BlobStore | undefined;
}

/** The results of jobs: frames of tensors, in Redis while they are small, else in the blob store. */
export class JobResults {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #orphanMs: number;
  readonly #store: BlobStore | undefined;

  constructor({ redis, keys, config, store }: JobResultsOptions) {
    this.#redis = redis;
    this.#keys = keys;
    this.#orphanMs = Math.max(config.resultTtlSeconds, MIN_ORPHAN_SECONDS) * 1_000;
    this.#store = store;
  }

  /** Whether this process can read results from the blob store. */
  get usesBlobs(): boolean {
    return this.#store !== undefined;
  }

  /**
   * Stores a result, if it is large. It becomes that of the job when the job's record names it.
   * @param isRedisFull whether Redis takes no results now: then a small one goes to the blob store as well.
   */
  async write(id: string, outputs: readonly Tensor[], isRedisFull = false): Promise<StoredResult> {
    const frame = { meta: null, tensors: outputs };
    const { pieces, byteLength: bytes } = framePieces(frame);
    const fitsRedis = bytes <= MAX_INLINE_BYTES && !isRedisFull;
    if (this.#store === undefined || fitsRedis || !(await this.#readersKnowBlobs(id))) {
      return { bytes, inline: encodeFrame(frame) };
    }
    const blob = `results/${id}/${randomBytes(8).toString('hex')}`;
    // Before the blob: if this process dies in between, the blob is still removed.
    const dueAtMs = Date.now() + this.#orphanMs;
    await this.#redis.eval(SCHEDULE_REMOVAL, 1, this.#keys.removals(), dueAtMs, removalOf(blob));
    await this.#store.put(blob, bodyOf(pieces), { maxBytes: bytes });
    return { bytes, blob };
  }

  /** Removes what `write` stored for a job that had ended already. */
  async discard({ blob }: StoredResult): Promise<void> {
    if (blob !== undefined) await this.removeBlob(blob);
  }

  /** Removes a blob now. If that fails, workers remove it when its removal is due. */
  async removeBlob(blob: string): Promise<void> {
    try {
      await this.#store?.delete(blob);
      if (this.#store !== undefined) await this.#redis.zrem(this.#keys.removals(), removalOf(blob));
    } catch {
      // The removal is still listed.
    }
  }

  /** The outputs of a job; undefined when it has none, or when they have expired. */
  async open(id: string): Promise<readonly Tensor[] | StoredOutputs | undefined> {
    const blob = await this.#redis.hget(this.#keys.job(id), 'result_blob');
    if (blob === null) {
      const bytes = await this.#redis.getBuffer(this.#keys.result(id));
      return bytes === null ? undefined : decodeFrame(bytes).tensors;
    }
    if (this.#store === undefined) {
      throw new SconceError(
        'internal',
        `The result of job "${id}" is in the blob store, which this process does not use.`,
      );
    }
    return openBlob(this.#store, blob);
  }

  /** Whether the process that submitted the job knows results in the blob store. Release 0.1 does not. */
  async #readersKnowBlobs(id: string): Promise<boolean> {
    return (await this.#redis.hget(this.#keys.job(id), 'blob_results')) === '1';
  }
}

/** The removal of a result's blob, as the sorted set of removals holds it. */
export function removalOf(blob: string): string {
  return JSON.stringify({ kind: 'blob', key: blob } satisfies Removal);
}

async function* bodyOf(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece;
}

async function openBlob(store: BlobStore, blob: string): Promise<StoredOutputs | undefined> {
  const source = await store.open(blob);
  if (source === undefined) return undefined;
  try {
    const headerEnd = frameHeaderEnd(await source.read(0, Math.min(FRAME_PREFIX_BYTES, source.size)));
    const { tensors: outputs } = readFrameHeader(await source.read(0, headerEnd));
    return {
      outputs,
      byteLength: source.size,
      stream: async ({ offset, byteLength: length }) => found(await store.stream(blob, { offset, length })),
      load: async () => decodeFrame(found(await store.get(blob, { maxBytes: source.size }))).tensors,
    };
  } finally {
    await source.close();
  }
}

function found<T>(bytes: T | undefined): T {
  if (bytes === undefined) throw new SconceError('job_not_found', 'The result of the job has expired.');
  return bytes;
}
