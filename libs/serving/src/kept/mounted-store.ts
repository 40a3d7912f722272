import type { Readable } from 'node:stream';
import { SconceError } from '@sconce/errors';
import type { BlobBody, BlobStat, BlobStore, ByteRange, OpenByteSource, PutOptions, StoredBlob } from '@sconce/storage';

type Prefix = `models/${string}/${string}/`;

/**
 * A blob store whose versions of models lie in stores of their own: blobs below `models/<name>/<version>/` are those of the store that is
 * mounted there. There are no other blobs, and none can be put.
 */
export class MountedStore implements BlobStore {
  readonly #stores = new Map<Prefix, BlobStore>();

  /** Mounts a store that has the version's blobs under the same keys. Replaces the one that was mounted there. */
  mount({ name, version }: { readonly name: string; readonly version: string }, store: BlobStore): void {
    this.#stores.set(`models/${name}/${version}/`, store);
  }

  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent: true }): Promise<StoredBlob | 'exists'>;
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent?: false }): Promise<StoredBlob>;
  async put(key: string, body: BlobBody, options: PutOptions): Promise<StoredBlob | 'exists'> {
    const store = this.#storeOf(key);
    if (store === undefined) throw nothingMounted(key);
    return options.ifAbsent === true
      ? store.put(key, body, { ...options, ifAbsent: true })
      : store.put(key, body, { ...options, ifAbsent: false });
  }

  async putContent(
    prefix: string,
    suffix: string,
    body: BlobBody,
    options: Omit<PutOptions, 'ifAbsent'>,
  ): Promise<StoredBlob & { readonly key: string }> {
    const store = this.#storeOf(prefix);
    if (store === undefined) throw nothingMounted(prefix);
    return store.putContent(prefix, suffix, body, options);
  }

  async get(key: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined> {
    return this.#storeOf(key)?.get(key, options);
  }

  async open(key: string): Promise<OpenByteSource | undefined> {
    return this.#storeOf(key)?.open(key);
  }

  async stream(key: string, range?: ByteRange): Promise<Readable | undefined> {
    return this.#storeOf(key)?.stream(key, range);
  }

  async stat(key: string): Promise<BlobStat | undefined> {
    return this.#storeOf(key)?.stat(key);
  }

  async *list(prefix: string): AsyncIterable<BlobStat> {
    const mounted = [...this.#stores].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [place, store] of mounted) {
      if (place.startsWith(prefix)) yield* store.list(place);
      else if (prefix.startsWith(place)) yield* store.list(prefix);
    }
  }

  async delete(key: string): Promise<void> {
    await this.#storeOf(key)?.delete(key);
  }

  async deletePrefix(prefix: string): Promise<void> {
    await this.#storeOf(prefix)?.deletePrefix(prefix);
  }

  async localPath(key: string): Promise<string | undefined> {
    return this.#storeOf(key)?.localPath(key);
  }

  #storeOf(key: string): BlobStore | undefined {
    const [models, name, version] = key.split('/');
    return this.#stores.get(`${models ?? ''}/${name ?? ''}/${version ?? ''}/` as Prefix);
  }
}

function nothingMounted(key: string): SconceError {
  return new SconceError('storage_unavailable', `${key} cannot be stored: only versions of served models have a store`);
}
