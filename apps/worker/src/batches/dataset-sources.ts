import { realpath, stat } from 'node:fs/promises';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatasetLocation } from '@sconce/contracts';
import { datasetError } from '@sconce/datasets';
import { SconceError } from '@sconce/errors';
import { S3Objects, openFile, type BlobStore, type OpenByteSource, type S3Settings } from '@sconce/storage';
import type { PinnedDataset } from './scoring-plan.ts';

/** Opens datasets that were uploaded, and datasets in folders and buckets from which the operator allows reading. */
export class DatasetSources {
  readonly #store: BlobStore;
  readonly #roots: readonly string[];
  readonly #s3: S3Settings;
  readonly #buckets = new Map<string, Promise<S3Objects>>();

  constructor(store: BlobStore, places: { readonly roots: readonly string[]; readonly s3: S3Settings }) {
    this.#store = store;
    this.#roots = places.roots;
    this.#s3 = places.s3;
  }

  /**
   * Pins a dataset as it is now. @throws SconceError `invalid_dataset` if it does not exist or is not allowed; `storage_unavailable` while the
   * store, or the folder that it is in, is away.
   */
  async pin(location: DatasetLocation): Promise<PinnedDataset> {
    if (location.kind === 'url' && location.url.startsWith('file:')) {
      const path = await this.#allowedPath(location.url);
      const { size, mtimeMs } = await stat(path);
      return { location, sizeBytes: size, modifiedAtMs: mtimeMs };
    }
    const { store, key } = await this.#blob(location);
    const found = await store.stat(key);
    if (found === undefined) throw gone(location);
    return { location, sizeBytes: found.sizeBytes, modifiedAtMs: found.modifiedAtMs };
  }

  /** Opens a pinned dataset. @throws SconceError `invalid_dataset` if it has changed since it was pinned, or is gone. */
  async open(pinned: PinnedDataset): Promise<OpenByteSource> {
    const { location } = pinned;
    const now = await this.pin(location);
    if (now.sizeBytes !== pinned.sizeBytes || now.modifiedAtMs !== pinned.modifiedAtMs) {
      throw datasetError(`${nameOf(location)} has changed since the batch was validated: submit a new batch.`, {
        param: 'input',
      });
    }
    if (location.kind === 'url' && location.url.startsWith('file:'))
      return openFile(await this.#allowedPath(location.url));
    const { store, key } = await this.#blob(location);
    const source = await store.open(key);
    if (source === undefined) throw gone(location);
    return source;
  }

  async #blob(location: DatasetLocation): Promise<{ store: Pick<BlobStore, 'stat' | 'open'>; key: string }> {
    if (location.kind === 'blob') return { store: this.#store, key: location.key };
    const { url } = location;
    const root = this.#roots.find(
      (own) => own.startsWith('s3://') && url.startsWith(own.endsWith('/') ? own : `${own}/`),
    );
    if (root === undefined) throw notAllowed(url);
    let bucket = this.#buckets.get(root);
    if (bucket === undefined) {
      bucket = S3Objects.connect({ ...this.#s3, root });
      this.#buckets.set(root, bucket);
    }
    return { store: await bucket, key: decodeURIComponent(url.slice(root.length).replace(/^\//, '')) };
  }

  /** The real path of a file. It must be below a root: links that lead out of the root are refused. */
  async #allowedPath(url: string): Promise<string> {
    const named = fileURLToPath(url);
    const path = await realpath(named).catch(() => undefined);
    for (const root of this.#roots) {
      if (root.startsWith('s3://')) continue;
      const real = await realpath(root).catch(() => undefined);
      if (real === undefined && isBelow(named, root)) throw away(root);
      if (real !== undefined && path !== undefined && isBelow(path, real)) return path;
    }
    throw path === undefined ? gone({ kind: 'url', url }) : notAllowed(url);
  }
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

/** The folder itself is missing: its volume is not mounted. The batch waits for it. */
function away(root: string): SconceError {
  return new SconceError('storage_unavailable', `The folder ${root} of SCONCE_DATASET_ROOTS is away: mount it again.`);
}

function nameOf(location: DatasetLocation): string {
  return location.kind === 'url' ? location.url : 'The dataset';
}

function gone(location: DatasetLocation): Error {
  return datasetError(`${nameOf(location)} does not exist, or not any more.`, { param: 'input' });
}

function notAllowed(url: string): Error {
  return datasetError(
    `${url} is not below a folder or bucket from which datasets may be read: move it there, or add its folder to SCONCE_DATASET_ROOTS.`,
    {
      param: 'input_url',
    },
  );
}
