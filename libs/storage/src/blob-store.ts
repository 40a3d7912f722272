import type { Readable } from 'node:stream';
import type { BlobBody } from './body-chunks.ts';
import type { OpenByteSource } from './byte-source.ts';

/** A blob that `put` stored. */
export interface StoredBlob {
  readonly sizeBytes: number;
  /** Lower-case hex, 64 digits. */
  readonly sha256: string;
}

/** Facts about a blob that the store knows without reading it. */
export interface BlobStat {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modifiedAtMs: number;
}

/** Options of `put`. */
export interface PutOptions {
  /** A longer body is refused with `payload_too_large`, and nothing is stored. */
  readonly maxBytes: number;
  /** Ends the upload, even if its body hangs. `put` then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Store only if no blob has the key. The store decides this atomically when the body is complete. */
  readonly ifAbsent?: boolean;
}

/** A range of a blob. It must lie within the blob. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Named byte sequences: a folder (`FolderStore`) or a bucket (`S3Store`).
 *
 * Keys are segments separated by `/` (`parseBlobKey`); a prefix ends with `/` (`parseBlobPrefix`). A blob becomes visible under its key
 * when it is complete, and is replaced as a whole. Callers must not use one key as a prefix of another: a folder cannot store both.
 *
 * Errors of every method: `invalid_request` for a key that breaks the rules, `storage_unavailable` (with the cause) if the store itself
 * fails or is away, `storage_full` if it has no room. A missing blob is not an error: reads return `undefined`, deletes do nothing.
 */
export interface BlobStore {
  /**
   * Streams `body` into the store. After a failed, aborted or oversized upload nothing is stored. An error of `body` is thrown unchanged. A
   * Node Readable is never destroyed: its owner may still have to answer on the same socket.
   * @returns `'exists'` with `ifAbsent` if the key is taken. Then the body may be partly or wholly unread.
   * @throws SconceError `payload_too_large`.
   */
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent: true }): Promise<StoredBlob | 'exists'>;
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent?: false }): Promise<StoredBlob>;
  /**
   * Streams `body` into a blob named after its content: `<prefix><sha256><suffix>`. A blob of that name has that content, so storing it
   * again changes nothing. Otherwise like `put`.
   */
  putContent(
    prefix: string,
    suffix: string,
    body: BlobBody,
    options: Omit<PutOptions, 'ifAbsent'>,
  ): Promise<StoredBlob & { readonly key: string }>;
  /** The bytes of a small blob. @throws SconceError `payload_too_large` if it is longer than `maxBytes`. */
  get(key: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined>;
  /**
   * Random access to the blob as it is now, even if it is replaced or deleted later. The caller closes it. If a store cannot keep a large
   * blob that was replaced or deleted, its reads fail with `storage_unavailable`; they never mix the bytes of two blobs.
   */
  open(key: string): Promise<OpenByteSource | undefined>;
  /**
   * The blob, or a range of it, in pieces of bounded size. The caller reads it to the end or destroys it.
   * @throws SconceError `internal` if the range is not within the blob.
   */
  stream(key: string, range?: ByteRange): Promise<Readable | undefined>;
  stat(key: string): Promise<BlobStat | undefined>;
  /** All blobs below `prefix` (`''` for all blobs) in key order. Blobs that are put or deleted during the listing may or may not appear. */
  list(prefix: string): AsyncIterable<BlobStat>;
  delete(key: string): Promise<void>;
  /** Deletes all blobs below `prefix`, which must not be empty. */
  deletePrefix(prefix: string): Promise<void>;
  /**
   * Path of a read-only file with the blob as it is now, for a native runtime to map. The file has the name of the key's last segment and
   * lies beside the other files of its prefix. A store on another machine keeps copies and may remove a copy one minute after the last call:
   * open the file soon, and call again before you open it again. An open or mapped file keeps its bytes.
   */
  localPath(key: string): Promise<string | undefined>;
}
