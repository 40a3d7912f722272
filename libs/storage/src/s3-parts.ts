import { SconceError } from '@sconce/errors';
import type { S3Bucket } from './s3-bucket.ts';
import { s3Error } from './s3-error.ts';

const MAX_BUFFERS = 2;

/** Options of an upload in parts. */
export interface S3PartsOptions {
  /** The upload mark that is stored with the object. */
  readonly mark: string;
  readonly partBytes: number;
  /** Ends the requests in flight. */
  readonly signal: AbortSignal;
  /** Called when a part cannot be sent. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * The parts of one object during its upload. States: nothing sent → (send) → begun → finished or abandoned.
 * It has at most two buffers: one is filled while the other is sent.
 */
export class S3Parts {
  readonly #bucket: S3Bucket;
  readonly #key: string;
  readonly #options: S3PartsOptions;
  readonly #etags: string[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  readonly #free: Buffer<ArrayBuffer>[] = [];
  #buffers = 1;
  #sent = 0;
  #uploadId: string | undefined;

  constructor(bucket: S3Bucket, key: string, options: S3PartsOptions) {
    this.#bucket = bucket;
    this.#key = key;
    this.#options = options;
  }

  /** Whether a part was sent. */
  get begun(): boolean {
    return this.#uploadId !== undefined;
  }

  /** Sends a full buffer, which the caller must not use any more. Resolves with an empty buffer when there is one. */
  async send(full: Buffer<ArrayBuffer>): Promise<Buffer<ArrayBuffer>> {
    this.#uploadId ??= await this.#begin();
    this.#options.signal.throwIfAborted();
    this.#launch(full, full);
    if (this.#buffers < MAX_BUFFERS) {
      this.#buffers += 1;
      return Buffer.allocUnsafeSlow(this.#options.partBytes);
    }
    for (;;) {
      const buffer = this.#free.pop();
      if (buffer !== undefined) return buffer;
      await Promise.race(this.#inFlight);
    }
  }

  /** Sends the last part and waits for all parts. Returns a function that sends the request that completes the object. */
  async finish(
    last: Buffer<ArrayBuffer>,
    condition: { readonly IfNoneMatch?: string },
  ): Promise<() => Promise<unknown>> {
    this.#launch(last);
    await Promise.all(this.#inFlight);
    const request = {
      ...this.#bucket.address(this.#key),
      ...condition,
      UploadId: this.#uploadId,
      MultipartUpload: { Parts: this.#etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 })) },
    };
    return () => this.#bucket.s3.completeMultipartUpload(request);
  }

  /**
   * Asks the server to delete the parts. Errors are ignored: the caller already reports a failure, and the next opening of the store, or a
   * lifecycle rule of the bucket, deletes remaining parts.
   */
  async abandon(): Promise<void> {
    const UploadId = this.#uploadId;
    if (UploadId === undefined) return;
    // A part that arrives after the abort would not be deleted.
    await Promise.allSettled(this.#inFlight);
    await this.#bucket.s3.abortMultipartUpload({ ...this.#bucket.address(this.#key), UploadId }).catch(() => undefined);
  }

  /** The signal does not end this request: without its id an upload could not be abandoned. */
  async #begin(): Promise<string> {
    try {
      const address = this.#bucket.address(this.#key);
      const metadata = this.#bucket.marked(this.#options.mark);
      const { UploadId } = await this.#bucket.s3.createMultipartUpload({ ...address, Metadata: metadata });
      if (UploadId !== undefined) return UploadId;
    } catch (error) {
      throw s3Error(error, `storing ${this.#key} failed`);
    }
    throw new SconceError('storage_unavailable', `storing ${this.#key} failed: the server did not return an upload id`);
  }

  #launch(bytes: Buffer<ArrayBuffer>, reusable?: Buffer<ArrayBuffer>): void {
    const number = ++this.#sent;
    const sending = this.#sendPart(number, bytes).then((etag) => {
      this.#etags[number - 1] = etag;
      this.#inFlight.delete(sending);
      if (reusable !== undefined) this.#free.push(reusable);
    });
    this.#inFlight.add(sending);
    sending.catch(this.#options.onFailure);
  }

  async #sendPart(number: number, bytes: Buffer<ArrayBuffer>): Promise<string> {
    const what = `storing ${this.#key} failed at part ${number}`;
    try {
      const { ETag } = await this.#bucket.s3.uploadPart(
        { ...this.#bucket.address(this.#key), UploadId: this.#uploadId, PartNumber: number, Body: bytes },
        { abortSignal: this.#options.signal },
      );
      if (ETag !== undefined) return ETag;
    } catch (error) {
      throw s3Error(error, what);
    }
    throw new SconceError('storage_unavailable', `${what}: the server did not return an ETag`);
  }
}
