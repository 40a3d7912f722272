import type { BlobStat } from './blob-store.ts';
import { MemoryByteSource, type OpenByteSource } from './byte-source.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { connectBucket } from './s3-client.ts';
import { S3ByteSource } from './s3-reader.ts';
import { storageConfigSchema, type StorageConfigInput } from './storage.config.ts';

/** Objects of a bucket that Sconce does not own. They may have any names. They are only read. */
export class S3Objects {
  readonly #bucket: S3Bucket;

  private constructor(bucket: S3Bucket) {
    this.#bucket = bucket;
  }

  /** Loads the AWS SDK. Sends no request to the bucket. @throws SconceError `invalid_request` if the root is not an S3 location. */
  static async connect(config: StorageConfigInput): Promise<S3Objects> {
    return new S3Objects(await connectBucket(storageConfigSchema.parse(config)));
  }

  /** `key` is relative to the root's prefix. @throws SconceError `storage_unavailable`. */
  async stat(key: string): Promise<BlobStat | undefined> {
    const object = await this.#bucket.head(key);
    return object && { key, sizeBytes: object.sizeBytes, modifiedAtMs: object.modifiedAtMs };
  }

  /** The object as it is now. Reads fail after it was replaced. @throws SconceError `storage_unavailable`. */
  async open(key: string): Promise<OpenByteSource | undefined> {
    const object = await this.#bucket.head(key);
    if (object === undefined) return undefined;
    return object.sizeBytes === 0
      ? new MemoryByteSource(new Uint8Array(0))
      : new S3ByteSource(this.#bucket, key, object);
  }
}
