import { SconceError, toSconceError } from '@sconce/errors';
import type { BlobBody, BlobStore } from '@sconce/storage';
import { readDiskUsage, type DiskUsage } from './disk-usage.ts';
import { KeyedLock } from './keyed-lock.ts';
import { ManifestStore, type ModelId } from './manifest-store.ts';
import { versionPrefix } from './model-layout.ts';
import type { ModelManifest } from './model-manifest.ts';
import { parseModelName, parseModelVersion } from './model-name.ts';
import { modelNotFound, versionNotFound } from './model-not-found.ts';
import { LATEST, ModelStates, type ModelState } from './model-state.ts';
import { checkTransition } from './model-status.ts';
import { ModelUploads, type ReceiveOptions } from './model-uploads.ts';

/** Most versions of one model whose quarantine is kept, so that its state stays small. */
const MAX_QUARANTINED = 16;
const MANIFESTS_AT_ONCE = 16;
const SUGGESTIONS_TTL_MS = 5_000;

/** Dependencies and options of a repository. */
export interface ModelRepositoryOptions {
  readonly store: BlobStore;
  /** Called for every damaged file that is left out. */
  readonly onCorrupt?: (error: SconceError, id: { readonly name: string; readonly version?: string }) => void;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  /** Age of an unfinished upload after which its process counts as dead and another upload may replace it. Default one hour. */
  readonly abandonedAfterMs?: number;
}

/** Fields that `update` may change. */
export type ManifestPatch = Partial<
  Pick<
    ModelManifest,
    | 'status'
    | 'error'
    | 'signature'
    | 'batch'
    | 'unbounded'
    | 'config'
    | 'pool'
    | 'compiled'
    | 'check'
    | 'warnings'
    | 'parity'
    | 'optimised'
    | 'performance'
  >
>;

/**
 * The models of an installation, in a blob store: `models/<name>/<version>/{artifact.onnx | artifact.pt, manifest.json}` and
 * `models/<name>/state.json`. It holds no state besides locks, so any number of processes may share a store.
 *
 * Updates of one model are serialised within this process. Across processes, the registration queue makes sure that one
 * worker at a time works on a version. Every method checks names and versions (`invalid_request`) and may throw
 * `storage_unavailable`.
 */
export class ModelRepository {
  readonly #store: BlobStore;
  readonly #manifests: ManifestStore;
  readonly #uploads: ModelUploads;
  readonly #states: ModelStates;
  readonly #locks = new KeyedLock();
  readonly #now: () => number;
  readonly #onCorrupt: NonNullable<ModelRepositoryOptions['onCorrupt']>;
  #suggestions: { readonly names: Promise<readonly string[]>; readonly untilMs: number } | undefined;

  constructor(options: ModelRepositoryOptions) {
    const { store, now = Date.now, onCorrupt = () => undefined, abandonedAfterMs = 60 * 60 * 1000 } = options;
    this.#store = store;
    this.#now = now;
    this.#onCorrupt = onCorrupt;
    this.#manifests = new ManifestStore(store);
    this.#uploads = new ModelUploads({ store, manifests: this.#manifests, now, abandonedAfterMs });
    this.#states = new ModelStates(store, (error, name) => onCorrupt(error, { name }));
  }

  /**
   * Stores an artifact as a new version; without `version`, as the next free number. Its status is then `compiling`.
   * An upload that fails or is aborted leaves nothing. Errors of `body` are passed on.
   * @throws SconceError `version_exists` (a `failed` version may be replaced), `model_invalid` (not a model file),
   * `payload_too_large`.
   */
  async receive(
    name: string,
    version: string | undefined,
    body: BlobBody,
    options: ReceiveOptions,
  ): Promise<ModelManifest> {
    parseModelName(name);
    if (version !== undefined) parseModelVersion(version);
    return this.#uploads.receive(name, version, body, options);
  }

  /**
   * One version. Without `version`: the default version of the model if one is set, else the highest that is ready, else the
   * highest.
   * @throws SconceError `model_not_found`; `model_not_ready` if the default version that is set is not ready; `internal`
   * if the manifest is damaged.
   */
  async get(name: string, version?: string): Promise<ModelManifest> {
    parseModelName(name);
    if (version === undefined) return this.#getDefault(name);
    parseModelVersion(version);
    return (await this.#manifests.read({ name, version })) ?? (await this.#fail({ name, version }));
  }

  /** Every version of every model, by name and number. Damaged manifests are left out (`onCorrupt`). */
  async list(): Promise<readonly ModelManifest[]> {
    return this.#readAll(await this.#manifests.ids());
  }

  /** Every version of one model, lowest first; none if there is no such model. Damaged manifests are left out. */
  async versions(name: string): Promise<readonly ModelManifest[]> {
    return this.#readAll(await this.#manifests.ids(parseModelName(name)));
  }

  /**
   * Changes a version and returns it as it is now.
   * @throws SconceError `model_not_found`; `internal` for a step that `ModelStatus` does not allow, a change to the
   * signature of a ready version, or a manifest that would break its schema (`ready` needs a signature, `failed` an error).
   */
  async update(name: string, version: string, patch: ManifestPatch): Promise<ModelManifest> {
    return this.#locks.run(name, async () => {
      const before = await this.get(name, version);
      const after: ModelManifest = { ...before, ...patch, updated_at: new Date(this.#now()).toISOString() };
      checkTransition(before, after);
      await this.#manifests.write(after);
      return after;
    });
  }

  /**
   * Removes a version, also a damaged one. With its last version the model is removed. With `force`, also the version that is set
   * as default is removed; the default is then the latest version again.
   * @throws SconceError `model_not_found`; `version_in_use` for the version that is set as default.
   */
  async remove(name: string, version: string, options: { readonly force?: boolean } = {}): Promise<void> {
    parseModelName(name);
    parseModelVersion(version);
    await this.#locks.run(name, async () => {
      const prefix = versionPrefix(name, version);
      const first = await this.#store.list(prefix)[Symbol.asyncIterator]().next();
      if (first.done === true) await this.#fail({ name, version });
      const state = await this.#states.get(name);
      if (state.default_version === version) {
        if (options.force !== true) throw isDefaultVersion(name, version);
        // Before the version is removed, so that requests without a version find one even if this process dies in between.
        await this.#states.set(name, { ...state, default_version: LATEST });
      }
      await this.#store.deletePrefix(prefix);
      if (state.quarantined?.[version] !== undefined) {
        await this.#states.set(name, withoutQuarantine(await this.#states.get(name), version));
      }
      // Not the whole prefix of the model, because another process may be uploading a new version below it.
      if ((await this.#manifests.ids(name)).length === 0) await this.#states.delete(name);
    });
  }

  /** The settings of a model; for an unknown model, the settings of a new one. */
  async state(name: string): Promise<ModelState> {
    return this.#states.get(parseModelName(name));
  }

  /**
   * Changes the settings of a model atomically. Loading a model ends the quarantine of its versions.
   * @throws SconceError `model_not_found`; `invalid_request`, `model_not_ready` for a version that cannot be the default.
   */
  async setState(name: string, patch: Partial<ModelState>): Promise<ModelState> {
    parseModelName(name);
    const { default_version: version } = patch;
    if (version !== undefined && version !== LATEST) parseModelVersion(version);
    return this.#locks.run(name, async () => {
      if ((await this.#manifests.ids(name)).length === 0) await this.#fail({ name });
      if (version !== undefined && version !== LATEST) {
        const manifest = await this.get(name, version);
        if (manifest.status !== 'ready') throw notReady(manifest, 'only a version that is ready can be the default');
      }
      const before = await this.#states.get(name);
      const after = { ...(patch.loaded === true ? withoutQuarantine(before) : before), ...patch };
      await this.#states.set(name, after);
      return after;
    });
  }

  /** Puts a version into quarantine until its model is loaded again. Callers get `why`. @throws SconceError `model_not_found`. */
  async quarantine(name: string, version: string, why: string): Promise<void> {
    await this.#locks.run(name, async () => {
      await this.get(name, version);
      const state = await this.#states.get(name);
      const others = Object.entries(state.quarantined ?? {}).slice(1 - MAX_QUARANTINED);
      await this.#states.set(name, { ...state, quarantined: { ...Object.fromEntries(others), [version]: why } });
    });
  }

  /** Bytes in the store by model, for one model or all. The stored part of an unfinished upload counts. */
  async diskUsage(name?: string): Promise<ReadonlyMap<string, DiskUsage>> {
    return readDiskUsage(this.#store, name === undefined ? undefined : parseModelName(name));
  }

  async #getDefault(name: string): Promise<ModelManifest> {
    const { default_version: version } = await this.#states.get(name);
    return version === LATEST ? this.#getLatest(name) : this.#getPinned({ name, version });
  }

  async #getPinned(id: ModelId): Promise<ModelManifest> {
    const manifest = await this.#manifests.read(id);
    if (manifest?.status === 'ready') return manifest;
    const what = 'it is the default version of the model: set another, or "latest"';
    if (manifest !== undefined) throw notReady(manifest, what);
    throw new SconceError('model_not_found', `version ${id.version} of model ${id.name} is gone, and ${what}`, {
      details: { ...id },
    });
  }

  async #getLatest(name: string): Promise<ModelManifest> {
    const ids = await this.#manifests.ids(name);
    let highest: ModelManifest | undefined;
    let damage: SconceError | undefined;
    for (const id of ids.toReversed()) {
      const manifest = await this.#manifests.read(id).catch((error: unknown) => {
        damage ??= this.#passOver(error, id);
        return undefined;
      });
      if (manifest?.status === 'ready') return manifest;
      highest ??= manifest;
    }
    if (highest !== undefined) return highest;
    if (damage !== undefined) throw damage;
    return this.#fail({ name });
  }

  async #readAll(ids: readonly ModelId[]): Promise<readonly ModelManifest[]> {
    const manifests: ModelManifest[] = [];
    for (let start = 0; start < ids.length; start += MANIFESTS_AT_ONCE) {
      const batch = ids.slice(start, start + MANIFESTS_AT_ONCE);
      const read = await Promise.all(
        batch.map((id) =>
          this.#manifests.read(id).catch((error: unknown) => {
            this.#passOver(error, id);
            return undefined;
          }),
        ),
      );
      manifests.push(...read.filter((manifest) => manifest !== undefined));
    }
    return manifests;
  }

  /** Reports a damaged manifest. Errors of the store are thrown. */
  #passOver(thrown: unknown, id: ModelId): SconceError {
    const error = toSconceError(thrown);
    if (error.code !== 'internal') throw error;
    this.#onCorrupt(error, id);
    return error;
  }

  async #fail({ name, version }: { name: string; version?: string }): Promise<never> {
    const versions = (await this.#manifests.ids(name)).map((id) => id.version);
    if (version !== undefined && versions.length > 0) throw versionNotFound(name, version, versions);
    throw modelNotFound(name, await this.#allNames());
  }

  /** Names for suggestions. They may be some seconds old, so that many wrong names cost one listing of the store. */
  async #allNames(): Promise<readonly string[]> {
    if (this.#suggestions === undefined || this.#now() >= this.#suggestions.untilMs) {
      const names = this.#manifests.ids().then((ids) => [...new Set(ids.map((id) => id.name))]);
      this.#suggestions = { names, untilMs: this.#now() + SUGGESTIONS_TTL_MS };
      names.catch(() => (this.#suggestions = undefined));
    }
    return this.#suggestions.names;
  }
}

/** The state without the quarantine of one version, or of all. */
function withoutQuarantine({ quarantined, ...state }: ModelState, version?: string): ModelState {
  const left = Object.entries(quarantined ?? {}).filter(([other]) => version !== undefined && other !== version);
  return left.length === 0 ? state : { ...state, quarantined: Object.fromEntries(left) };
}

function isDefaultVersion(name: string, version: string): SconceError {
  return new SconceError(
    'version_in_use',
    `version ${version} of model ${name} is its default version: set another, or "latest", or remove it with force=true`,
    { details: { name, version } },
  );
}

function notReady({ name, version, status, error }: ModelManifest, why: string): SconceError {
  const reason = error === undefined ? '' : ` (${error.message})`;
  return new SconceError('model_not_ready', `version ${version} of model ${name} is ${status}${reason}, and ${why}`, {
    details: { param: 'default_version', name, version, status },
  });
}
