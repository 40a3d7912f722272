import { SconceError } from '@sconce/errors';
import { LRUCache } from 'lru-cache';
import * as z from 'zod';
import { requireReady, type ModelManifest, type ReadyManifest } from './model-manifest.ts';
import { parseModelName, parseModelVersion } from './model-name.ts';
import type { ModelRepository } from './model-repository.ts';

/** How long answers are kept. */
export const modelDirectoryConfigSchema = z.strictObject({
  /** Age after which a hit is refreshed in the background. */
  ttlMs: z.int().nonnegative().default(1000),
  /** Time after `ttlMs` for which a hit is still used without a new load. */
  maxStaleMs: z.int().nonnegative().default(5000),
  /** How long an unknown model stays unknown. */
  missTtlMs: z.int().nonnegative().max(250).default(250),
  /** Most hits that are kept, and most misses. */
  maxEntries: z.int().positive().default(1024),
});

/** The configuration before defaults are added. */
export type ModelDirectoryConfigInput = z.input<typeof modelDirectoryConfigSchema>;

/** A model as requests need it. */
export interface ResolvedModel {
  readonly manifest: ModelManifest;
  /** Whether it is served. */
  readonly loaded: boolean;
  /** Whether threads keep it when other models need room. */
  readonly keepLoaded: boolean;
  /** Why this version is in quarantine. */
  readonly quarantined?: string;
}

/** The manifest, if the version may run. Throws `model_not_ready`. */
export function requireRunnable({ manifest, quarantined }: ResolvedModel): ReadyManifest {
  const { name, version } = manifest;
  if (quarantined === undefined) return requireReady(manifest);
  const message = `version ${version} of model ${name} is in quarantine: ${quarantined}; POST /v2/repository/models/${name}/load lets it run again`;
  throw new SconceError('model_not_ready', message, { details: { name, version } });
}

/** Dependencies and options of a directory. */
export interface ModelDirectoryOptions {
  readonly repository: Pick<ModelRepository, 'get' | 'state'>;
  readonly config?: ModelDirectoryConfigInput;
  /** Milliseconds of a monotonic clock. Default `performance.now`. */
  readonly now?: () => number;
  /** Called when a refresh failed. The kept answer stays in use. */
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
 * A read cache of the repository, for every request. States of an entry:
 * - *fresh* for `ttlMs` after its load: the answer comes from memory;
 * - *stale* for `maxStaleMs` after that: the answer still comes from memory, and one load in the background refreshes it;
 * - *old* after that: callers wait for the load. If a refresh fails, the entry stays and is refreshed again after another
 *   `ttlMs`. If the model or its default version does not exist any more, the entry is dropped;
 * - *miss* for `missTtlMs` after the repository said `model_not_found`, or that the default version is not ready.
 * Other failures of a first load are thrown and not kept. Concurrent loads of one entry are one load.
 */
export class ModelDirectory {
  readonly #repository: ModelDirectoryOptions['repository'];
  readonly #ttlMs: number;
  readonly #maxStaleMs: number;
  readonly #missTtlMs: number;
  readonly #now: () => number;
  readonly #onRefreshError: (error: unknown, name: string) => void;
  readonly #hits: LRUCache<string, Hit>;
  // A map of its own, so that many wrong names cannot evict the models in use.
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

  /** What `resolve` would return from memory without a refresh; undefined if it has to read. */
  fresh(name: string, version?: string): ResolvedModel | undefined {
    const hit = this.#hits.get(keyOf(name, version));
    return hit !== undefined && this.#now() < hit.freshUntilMs ? hit.value : undefined;
  }

  /** A version and the settings of its model. Throws as `ModelRepository.get`. */
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
      refreshed.catch(() => undefined); // The load has dropped the entry.
      return hit.value;
    }
    const miss = this.#misses.get(key);
    if (miss !== undefined && this.#now() < miss.untilMs) throw miss.error;
    return this.#loads.get(key) ?? this.#load(key, name, version);
  }

  /** Drops the entries of a model. Loads in flight will not write theirs. */
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

  /** The new value, or the old one if the store fails. Throws `model_not_found`, `model_not_ready`. */
  async #refresh(
    key: string,
    hit: Hit,
    id: { readonly name: string; readonly version: string | undefined },
  ): Promise<ResolvedModel> {
    const inFlight = this.#loads.get(key);
    try {
      return await (inFlight ?? this.#load(key, id.name, id.version));
    } catch (error) {
      if (isGone(error)) throw error;
      if (inFlight === undefined) {
        hit.freshUntilMs = this.#now() + this.#ttlMs;
        this.#onRefreshError(error, id.name);
      }
      return hit.value;
    }
  }

  #load(key: string, name: string, version: string | undefined): Promise<ResolvedModel> {
    // A load that `invalidate` has removed still answers its callers, but does not write an entry.
    const settle = (write: () => void): void => {
      if (this.#loads.get(key) !== load) return;
      this.#loads.delete(key);
      write();
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

/** No name contains `/`, so only the keys of this name begin with `name/`. */
function keyOf(name: string, version: string | undefined): string {
  return `${name}/${version ?? ''}`;
}

/** Whether the repository says that there is nothing to serve. Other errors are failures of the store. */
function isGone(error: unknown): error is SconceError {
  return error instanceof SconceError && (error.code === 'model_not_found' || error.code === 'model_not_ready');
}
