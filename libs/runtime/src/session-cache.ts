import { SconceError } from '@sconce/errors';
import type { HeldModels, ModelFile } from './thread-protocol.ts';

/** What the cache needs of a session. */
export interface CachedSession {
  release(): Promise<void>;
}

interface Entry<S> {
  /** As its last user gave it: whether it is kept may have changed. */
  file: ModelFile;
  readonly session: Promise<S>;
  /** Runs under way; an entry in use is never released. */
  users: number;
  /** Set when it was asked to go while in use; the last user releases it. */
  doomed: boolean;
}

/**
 * The sessions one thread holds: least recently used first out, bounded by count and by the bytes they count for (measured
 * memory, else the file's size). Models that are to be kept go only when asked to; a model that has no room beside them is
 * refused.
 *
 * An entry is *loading* or *ready* (its promise), *in use* (users > 0) or *doomed*. Doomed entries are out of the map:
 * a new request for the same model loads it anew. A failed load leaves no entry. While every entry is in use the cache
 * may exceed its bounds by the tasks the thread has under way, never by more.
 */
export class SessionCache<S extends CachedSession> {
  readonly #entries = new Map<string, Entry<S>>();
  readonly #open: (file: ModelFile) => Promise<S>;
  readonly #maxModels: number;
  readonly #maxBytes: number;
  readonly #budgetFrom: string | undefined;
  #evictions = 0;

  /** @param options `budgetFrom`: how `maxBytes` came about, where it follows from the machine's memory. */
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
   * Runs `work` with the model's session, loading it first where needed (concurrent callers share one load). `loaded`
   * is true for the caller whose call loaded it.
   * @throws SconceError `model_not_ready` where it has no room beside the models that are kept, were all others gone.
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
      if (entry.doomed && entry.users === 0) await this.#release(entry);
    }
  }

  /** Lets a model go: now, or when its last run has ended. */
  async evict(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.doomed = true;
    if (entry.users === 0) await this.#release(entry);
  }

  #add(file: ModelFile): Entry<S> {
    this.#checkRoom(file);
    const session = this.#open(file);
    const entry: Entry<S> = { file, session, users: 0, doomed: false };
    session.catch(() => {
      if (this.#entries.get(file.key) === entry) this.#entries.delete(file.key);
    });
    return entry;
  }

  async #shrink(): Promise<void> {
    for (const entry of [...this.#entries.values()]) {
      if (this.#entries.size <= this.#maxModels && this.#totalBytes() <= this.#maxBytes) return;
      if (entry.users > 0 || entry.file.keepLoaded === true) continue;
      // Another call may have let it go while this one waited.
      if (this.#entries.get(entry.file.key) !== entry) continue;
      this.#evictions += 1;
      await this.evict(entry.file.key);
    }
  }

  /** Before anything is let go: for what does not fit anyway nobody has to make room. */
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
          (kept.length === 0 ? '' : `, of which ${keptBytes} are kept for others (${names})`)
        : `of the models that a thread may hold (${this.#maxModels}) all are kept for others (${names})`;
    throw new SconceError(
      'model_not_ready',
      `Model ${nameOf(file)} has no room in this worker: ${why}. ` +
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
