import { SconceError } from '@sconce/errors';
import type { HeldModels, ModelFile } from './thread-protocol.ts';

/** The part of a session that the cache uses. */
export interface CachedSession {
  release(): Promise<void>;
}

interface Entry<S> {
  /** As the last user gave it: `keepLoaded` may have changed. */
  file: ModelFile;
  readonly session: Promise<S>;
  /** Runs in flight. An entry in use is never released. */
  users: number;
  /** Set when it was evicted while in use. The last user releases it. */
  evicted: boolean;
}

/**
 * The sessions of one thread. The least recently used session is evicted first. The cache is bounded by the number of sessions and by
 * their bytes (measured memory, else the file's size). Models with `keepLoaded` are evicted only by `evict`. A model that does not fit
 * beside them is refused.
 *
 * An entry is *loading* or *ready* (its promise), *in use* (users > 0) or *evicted*. Evicted entries are not in the map: a new request
 * for the same model loads it again. A failed load leaves no entry. While every entry is in use, the cache may exceed its bounds by the
 * tasks in flight of its thread, never by more.
 */
export class SessionCache<S extends CachedSession> {
  readonly #entries = new Map<string, Entry<S>>();
  readonly #open: (file: ModelFile) => Promise<S>;
  readonly #maxModels: number;
  readonly #maxBytes: number;
  readonly #budgetFrom: string | undefined;
  #evictions = 0;

  /** @param options `budgetFrom`: how `maxBytes` was computed, if it follows from the machine's memory. */
  constructor(options: {
    open: (file: ModelFile) => Promise<S>;
    maxModels: number;
    maxBytes: number;
    budgetFrom?: string | undefined;
  }) {
    this.#budgetFrom = options.budgetFrom;
    this.#open = options.open;
    this.#maxModels = options.maxModels;
    this.#maxBytes = options.maxBytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  get held(): HeldModels {
    return { models: this.#entries.size, bytes: this.#totalBytes(), evictions: this.#evictions };
  }

  /**
   * Runs `work` with the model's session and loads it first if needed; concurrent callers share one load. `loaded` is true for the
   * caller whose call loaded it.
   * @throws SconceError `model_not_ready` if the model does not fit beside the models with `keepLoaded`, even without all others.
   */
  async use<T>(file: ModelFile, work: (session: S, loaded: boolean) => Promise<T>): Promise<T> {
    const held = this.#entries.get(file.key);
    const entry = held ?? this.#add(file);
    entry.file = file;
    // Re-insertion makes it the most recently used.
    this.#entries.delete(file.key);
    this.#entries.set(file.key, entry);
    entry.users += 1;
    try {
      await this.#shrink();
      return await work(await entry.session, held === undefined);
    } finally {
      entry.users -= 1;
      if (entry.evicted && entry.users === 0) await this.#release(entry);
    }
  }

  /** Releases a model: now, or when its last run has ended. */
  async evict(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.evicted = true;
    if (entry.users === 0) await this.#release(entry);
  }

  #add(file: ModelFile): Entry<S> {
    this.#checkRoom(file);
    const session = this.#open(file);
    const entry: Entry<S> = { file, session, users: 0, evicted: false };
    session.catch(() => {
      if (this.#entries.get(file.key) === entry) this.#entries.delete(file.key);
    });
    return entry;
  }

  async #shrink(): Promise<void> {
    for (const entry of [...this.#entries.values()]) {
      if (this.#entries.size <= this.#maxModels && this.#totalBytes() <= this.#maxBytes) return;
      if (entry.users > 0 || entry.file.keepLoaded === true) continue;
      // Another call may have evicted it while this one waited.
      if (this.#entries.get(entry.file.key) !== entry) continue;
      this.#evictions += 1;
      await this.evict(entry.file.key);
    }
  }

  /** Before anything is evicted: a model that does not fit in any case must not evict others. */
  #checkRoom(file: ModelFile): void {
    const kept = [...this.#entries.values()].map((entry) => entry.file).filter((other) => other.keepLoaded === true);
    const keptBytes = kept.reduce((sum, other) => sum + costOf(other), 0);
    const needed = costOf(file);
    if (kept.length < this.#maxModels && keptBytes + needed <= this.#maxBytes) return;
    const names = describeKept(kept);
    const why =
      kept.length < this.#maxModels
        ? `it needs ${needed} bytes of the ${this.#maxBytes} that a thread may use` +
          (this.#budgetFrom === undefined ? '' : ` (${this.#budgetFrom})`) +
          (kept.length === 0 ? '' : `, and ${keptBytes} of them are kept for other models (${names})`)
        : `a thread holds at most ${this.#maxModels} models, and all of these places are kept for other models (${names})`;
    throw new SconceError(
      'model_not_ready',
      `Model ${nameOf(file)} does not fit in this worker: ${why}. ` +
        (this.#budgetFrom === undefined
          ? 'Raise SCONCE_MAX_MODEL_BYTES_PER_THREAD or SCONCE_MAX_MODELS_PER_THREAD, or keep fewer models.'
          : 'Give the worker more memory or fewer threads (SCONCE_THREADS), or keep fewer models.'),
      { details: { neededBytes: needed, keptBytes, maxBytes: this.#maxBytes, maxModels: this.#maxModels } },
    );
  }

  #totalBytes(): number {
    let bytes = 0;
    for (const entry of this.#entries.values()) bytes += costOf(entry.file);
    return bytes;
  }

  async #release(entry: Entry<S>): Promise<void> {
    const session = await entry.session.catch(() => undefined);
    await session?.release();
  }
}

function costOf({ memoryBytes, sizeBytes }: ModelFile): number {
  return memoryBytes ?? sizeBytes;
}

const MAX_NAMED = 5;

function nameOf({ model, version }: ModelFile): string {
  return `${model}/${version}`;
}

function describeKept(kept: readonly ModelFile[]): string {
  const named = kept.slice(0, MAX_NAMED).map((file) => `${nameOf(file)} ${costOf(file)}`);
  return named.join(', ') + (kept.length > MAX_NAMED ? ` and ${kept.length - MAX_NAMED} more` : '');
}
