import type { ModelFile } from './thread-protocol.ts';

/** What the cache needs of a session. */
export interface CachedSession {
  release(): Promise<void>;
}

interface Entry<S> {
  readonly file: ModelFile;
  readonly session: Promise<S>;
  /** Runs under way; an entry in use is never released. */
  users: number;
  /** Set when it was asked to go while in use; the last user releases it. */
  doomed: boolean;
}

/**
 * The sessions one thread holds: least recently used first out, bounded by count and by the files' total size.
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

  constructor(options: { open: (file: ModelFile) => Promise<S>; maxModels: number; maxBytes: number }) {
    this.#open = options.open;
    this.#maxModels = options.maxModels;
    this.#maxBytes = options.maxBytes;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Runs `work` with the model's session, loading it first where needed (concurrent callers share one load). `loaded`
   * is true for the caller whose call loaded it.
   */
  async use<T>(file: ModelFile, work: (session: S, loaded: boolean) => Promise<T>): Promise<T> {
    const held = this.#entries.get(file.id);
    const entry = held ?? this.#add(file);
    // Re-insertion makes it the most recently used.
    this.#entries.delete(file.id);
    this.#entries.set(file.id, entry);
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
  async evict(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    entry.doomed = true;
    if (entry.users === 0) await this.#release(entry);
  }

  #add(file: ModelFile): Entry<S> {
    const session = this.#open(file);
    const entry: Entry<S> = { file, session, users: 0, doomed: false };
    session.catch(() => {
      if (this.#entries.get(file.id) === entry) this.#entries.delete(file.id);
    });
    return entry;
  }

  async #shrink(): Promise<void> {
    for (const entry of [...this.#entries.values()]) {
      if (this.#entries.size <= this.#maxModels && this.#totalBytes() <= this.#maxBytes) return;
      if (entry.users === 0) await this.evict(entry.file.id);
    }
  }

  #totalBytes(): number {
    let bytes = 0;
    for (const entry of this.#entries.values()) bytes += entry.file.sizeBytes;
    return bytes;
  }

  async #release(entry: Entry<S>): Promise<void> {
    const session = await entry.session.catch(() => undefined);
    await session?.release();
  }
}
