import { SconceError } from '@sconce/errors';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { requireReady, type ModelManifest, type ReadyManifest } from './model-manifest.ts';
import { parseModelName, parseModelVersion } from './model-name.ts';
import type { ModelRepository } from './model-repository.ts';

/** How long answers are remembered. */
export const modelDirectoryConfigSchema = z.strictObject({
  /** Age from which a hit is refreshed in the background. */
  ttlMs: z.int().nonnegative().default(1000),
  /** Age past its TTL from which a hit is no longer answered without asking (while the store answers). */
  maxStaleMs: z.int().nonnegative().default(5000),
  /** How long an unknown model stays unknown. */
  missTtlMs: z.int().nonnegative().max(250).default(250),
  /** Models and versions remembered, and as many misses. */
  maxEntries: z.int().positive().default(1024),
});

/** As a person writes it. */
export type ModelDirectoryConfigInput = z.input<typeof modelDirectoryConfigSchema>;

/** What a request needs to know of a model. */
export interface ResolvedModel {
  readonly manifest: ModelManifest;
  /** Whether it is to be served. */
  readonly loaded: boolean;
  /** Whether threads keep it when others need room. */
  readonly keepLoaded: boolean;
  /** Why this version is not run any more. */
  readonly quarantined?: string;
}

/** The version where it may be run. Throws `model_not_ready`. */
export function requireRunnable({ manifest, quarantined }: ResolvedModel): ReadyManifest {
  const { name, version } = manifest;
  if (quarantined === undefined) return requireReady(manifest);
  const message = `version ${version} of model ${name} is in quarantine: ${quarantined}; POST /v2/repository/models/${name}/load lets it run again`;
  throw new SconceError('model_not_ready', message, { details: { name, version } });
}

/** What a directory needs. */
export interface ModelDirectoryOptions {
  readonly repository: Pick<ModelRepository, 'get' | 'state'>;
  readonly config?: ModelDirectoryConfigInput;
  /** Milliseconds from anywhere, never backwards. Default `performance.now`. */
  readonly now?: () => number;
  /** Told of refreshes that failed; the remembered answer stays in use. */
  readonly onRefreshError?: (error: unknown, name: string) => void;
}

interface Hit {
  readonly value: ResolvedModel;
  freshUntilMs: number;
}

interface Miss {
  readonly error: SconceError;
  readonly untilMs: number;
}

/**
 * A read cache over the repository for hot paths. An entry is
 * - fresh for `ttlMs` after it was loaded: answered from memory;
 * - stale for `maxStaleMs` after that: answered from memory still, while one load in the background refreshes it;
 * - old after that: whoever asks waits for the load. Where a refresh fails the entry stays, and is tried again after
 *   another `ttlMs`; where the model is gone (or its default is) the entry goes;
 * - a miss for `missTtlMs` where the repository says `model_not_found`, or that the default version is not ready.
 * Other failures of a first load are thrown and not remembered. Loads of one entry at the same time are one load.
 */
export class ModelDirectory {
  readonly #repository: ModelDirectoryOptions['repository'];
  readonly #ttlMs: number;
  readonly #maxStaleMs: number;
  readonly #missTtlMs: number;
  readonly #now: () => number;
  readonly #onRefreshError: (error: unknown, name: string) => void;
  readonly #hits: LRUCache<string, Hit>;
  // Apart from the hits, so that a flood of wrong names cannot push out the models in use.
  readonly #misses: LRUCache<string, Miss>;
  readonly #loads = new Map<string, Promise<ResolvedModel>>();

  constructor(options: ModelDirectoryOptions) {
    const config = modelDirectoryConfigSchema.parse(options.config ?? {});
    this.#repository = options.repository;
    this.#ttlMs = config.ttlMs;
    this.#maxStaleMs = config.maxStaleMs;
    this.#missTtlMs = config.missTtlMs;
    this.#now = options.now ?? (() => performance.now());
    this.#onRefreshError = options.onRefreshError ?? (() => undefined);
    this.#hits = new LRUCache({ max: config.maxEntries });
    this.#misses = new LRUCache({ max: config.maxEntries });
  }

  /** As `ModelRepository.get`, with its errors, and what holds for all versions of the model. */
  async resolve(name: string, version?: string): Promise<ResolvedModel> {
    parseModelName(name);
    if (version !== undefined) parseModelVersion(version);
    const key = keyOf(name, version);
    const hit = this.#hits.get(key);
    if (hit !== undefined) {
      const staleMs = this.#now() - hit.freshUntilMs;
      if (staleMs < 0) return hit.value;
      const refreshed = this.#refresh(key, hit, { name, version });
      if (staleMs > this.#maxStaleMs) return refreshed;
      refreshed.catch(() => undefined); // The load has forgotten the entry.
      return hit.value;
    }
    const miss = this.#misses.get(key);
    if (miss !== undefined && this.#now() < miss.untilMs) throw miss.error;
    return this.#loads.get(key) ?? this.#load(key, name, version);
  }

  /** Forgets a model, and what loads under way will say of it. */
  invalidate(name: string): void {
    for (const map of [this.#hits, this.#misses, this.#loads]) {
      for (const key of [...map.keys()]) {
        if (!key.startsWith(keyOf(name, undefined))) continue;
        this.#hits.delete(key);
        this.#misses.delete(key);
        this.#loads.delete(key);
      }
    }
  }

  /** The new value; the old one where the store fails. Throws `model_not_found`, `model_not_ready`. */
  async #refresh(
    key: string,
    hit: Hit,
    id: { readonly name: string; readonly version: string | undefined },
  ): Promise<ResolvedModel> {
    const underWay = this.#loads.get(key);
    try {
      return await (underWay ?? this.#load(key, id.name, id.version));
    } catch (error) {
      if (isGone(error)) throw error;
      if (underWay === undefined) {
        hit.freshUntilMs = this.#now() + this.#ttlMs;
        this.#onRefreshError(error, id.name);
      }
      return hit.value;
    }
  }

  #load(key: string, name: string, version: string | undefined): Promise<ResolvedModel> {
    // A load that `invalidate` has struck off still answers those who wait for it, and leaves no trace.
    const settle = (remember: () => void): void => {
      if (this.#loads.get(key) !== load) return;
      this.#loads.delete(key);
      remember();
    };
    const load: Promise<ResolvedModel> = this.#read(name, version).then(
      (value) => {
        settle(() => {
          this.#misses.delete(key);
          this.#hits.set(key, { value, freshUntilMs: this.#now() + this.#ttlMs });
        });
        return value;
      },
      (error: unknown) => {
        settle(() => {
          if (!isGone(error)) return;
          this.#hits.delete(key);
          this.#misses.set(key, { error, untilMs: this.#now() + this.#missTtlMs });
        });
        throw error;
      },
    );
    this.#loads.set(key, load);
    return load;
  }

  async #read(name: string, version: string | undefined): Promise<ResolvedModel> {
    const [manifest, { loaded, keep_loaded: keepLoaded, quarantined }] = await Promise.all([
      this.#repository.get(name, version),
      this.#repository.state(name),
    ]);
    return { manifest, loaded, keepLoaded, quarantined: quarantined?.[manifest.version] };
  }
}

/** `/` is in no name, so `name/` begins the keys of that name only. */
function keyOf(name: string, version: string | undefined): string {
  return `${name}/${version ?? ''}`;
}

/** The repository knows that there is nothing to serve; every other failure is its own. */
function isGone(error: unknown): error is SconceError {
  return error instanceof SconceError && (error.code === 'model_not_found' || error.code === 'model_not_ready');
}
