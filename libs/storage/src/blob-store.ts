import type { Readable } from 'node:stream';
import type { BlobBody } from './body-chunks.ts';
import type { OpenByteSource } from './byte-source.ts';

/** What `put` stored. */
export interface StoredBlob {
  readonly sizeBytes: number;
  /** Lower-case hex, 64 digits. */
  readonly sha256: string;
}

/** What is known of a blob without reading it. */
export interface BlobStat {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since the epoch, by the store's clock. */
  readonly modifiedAtMs: number;
}

/** Options of `put`. */
export interface PutOptions {
  /** A longer body is refused with `payload_too_large` and leaves nothing behind. */
  readonly maxBytes: number;
  /** Ends the upload, even one whose body hangs; `put` then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Store only where no blob has the key; decided atomically when the body is complete. */
  readonly ifAbsent?: boolean;
}

/** A part of a blob, which must lie within it. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/**
 * Named byte sequences: a folder (`FolderStore`) or a bucket (`S3Store`).
 *
 * Keys are `/`-separated segments (`parseBlobKey`); a prefix ends with `/` (`parseBlobPrefix`). A blob is visible under
 * its key only when it is complete, and is replaced whole. Portable callers do not use one key as a prefix of another.
 *
 * Errors of every method: `invalid_request` for a key that breaks the rules, `storage_unavailable` (with the cause) when
 * the store itself fails. A missing blob is not an error: reads answer `undefined`, deletes do nothing.
 */
export interface BlobStore {
  /**
   * Streams `body` into the store. A failed, aborted or oversized upload leaves nothing behind. What `body` throws is
   * thrown on as it is. A Node Readable is never destroyed: its owner may still want to answer on the same socket.
   * @returns with `ifAbsent`, `'exists'` where the key is taken; the body may then be partly or wholly unread.
   * @throws SconceError `payload_too_large`.
   */
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent: true }): Promise<StoredBlob | 'exists'>;
  put(key: string, body: BlobBody, options: PutOptions & { readonly ifAbsent?: false }): Promise<StoredBlob>;
  /**
   * Streams `body` into a blob named after its content: `<prefix><sha256><suffix>`. What has that name is that content, so
   * storing it again changes nothing. Otherwise as `put`.
   */
  putContent(
    prefix: string,
    suffix: string,
    body: BlobBody,
    options: Omit<PutOptions, 'ifAbsent'>,
  ): Promise<StoredBlob & { readonly key: string }>;
  /** The bytes of a small blob. @throws SconceError `payload_too_large` where it is longer than `maxBytes`. */
  get(key: string, options: { readonly maxBytes: number }): Promise<Uint8Array | undefined>;
  /**
   * Random access to the blob as it is now, whatever is put or deleted later. Close it. A store that cannot keep a large
   * blob that is replaced or deleted meanwhile fails with `storage_unavailable`; it never mixes the bytes of two.
   */
  open(key: string): Promise<OpenByteSource | undefined>;
  /**
   * The blob, or `range` of it, in bounded pieces. Consume or destroy it.
   * @throws SconceError `internal` where the range leaves the blob.
   */
  stream(key: string, range?: ByteRange): Promise<Readable | undefined>;
  stat(key: string): Promise<BlobStat | undefined>;
  /** Every blob beneath `prefix` (`''` for all) in key order. Blobs put or deleted meanwhile may or may not appear. */
  list(prefix: string): AsyncIterable<BlobStat>;
  delete(key: string): Promise<void>;
  /** Deletes every blob beneath `prefix`, which may not be empty. */
  deletePrefix(prefix: string): Promise<void>;
  /**
   * A file a native runtime can map, read-only: the blob as it is now, named as the key ends, beside the files of its
   * prefix. A store elsewhere keeps copies, and may take them away once they have not been asked for in a minute: open
   * the file soon, and ask again before opening it anew. What is open or mapped stays.
   */
  localPath(key: string): Promise<string | undefined>;
}
