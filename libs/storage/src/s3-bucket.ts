import { Readable } from 'node:stream';
import type { GetObjectCommandOutput, S3 } from '@aws-sdk/client-s3';
import { SconceError } from '@sconce/errors';
import { s3Error, s3Failure } from './s3-error.ts';
import type { S3Place } from './s3-url.ts';

const BUCKET_SEEN_MS = 30_000;
const DELETE_BATCH = 1_000;
/** Metadata key of the objects that `s3-upload.ts` writes. With it an upload recognises its own object. */
const UPLOAD_MARK = 'sconce-upload';

/** One version of an object. */
export interface S3Object {
  readonly sizeBytes: number;
  /** With its quotes, as If-Match needs it. */
  readonly etag: string;
  readonly modifiedAtMs: number;
  readonly uploadMark: string | undefined;
}

/** One object of a listing. `key` lacks the store's prefix and may break the rules of keys. */
export interface S3Listed {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** Which bytes of which version `get` returns. */
export interface S3GetOptions {
  readonly range?: { readonly offset: number; readonly length: number };
  /** Return this version or fail. */
  readonly etag?: string;
  readonly signal?: AbortSignal;
}

/**
 * The S3 calls of the store, for keys below the prefix. Errors of the SDK become SconceError `storage_unavailable`; a missing object gives
 * `undefined`.
 */
export class S3Bucket {
  /** The SDK, for uploads, which handle its errors themselves. */
  readonly s3: S3;
  readonly place: S3Place;
  #bucketSeenAtMs = -Infinity;

  constructor(s3: S3, place: S3Place) {
    this.s3 = s3;
    this.place = place;
  }

  /** Bucket and name of an object, in the form of the SDK. */
  address(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.prefix + key };
  }

  /** The metadata that marks an object with the upload that wrote it. */
  marked(uploadMark: string): Record<string, string> {
    return { [UPLOAD_MARK]: uploadMark };
  }

  async head(key: string): Promise<S3Object | undefined> {
    const what = `looking up ${key} failed`;
    try {
      const found = await this.s3.headObject(this.address(key));
      return described(found, found.ContentLength, key);
    } catch (error) {
      if (s3Failure(error).status !== 404) throw s3Error(error, what);
      await this.#requireBucket(what);
      return undefined;
    }
  }

  /**
   * The object's bytes as a stream, which the caller reads to the end or destroys. `'outside'` if the range begins at or after the end of
   * the object, which is every range of an empty object.
   */
  async get(
    key: string,
    options: S3GetOptions = {},
  ): Promise<{ readonly object: S3Object; readonly body: Readable } | 'outside' | undefined> {
    const { range, etag, signal } = options;
    const what = `reading ${key} failed`;
    try {
      const found = await this.s3.getObject(
        {
          ...this.address(key),
          Range: range && `bytes=${range.offset}-${range.offset + range.length - 1}`,
          IfMatch: etag,
        },
        { abortSignal: signal },
      );
      const body = bodyOf(found, key);
      try {
        const size = range === undefined ? found.ContentLength : totalOf(found.ContentRange);
        return { object: described(found, size, key), body };
      } catch (error) {
        body.destroy();
        throw error;
      }
    } catch (error) {
      const { name, status } = s3Failure(error);
      if (status === 412) throw changed(key, 'replaced by another upload');
      if (status === 416) return 'outside';
      if (name === 'NoSuchKey') return undefined;
      throw s3Error(error, what);
    }
  }

  /** All objects below `prefix` in key order, including objects that the store did not write. */
  async *list(prefix: string): AsyncGenerator<S3Listed, void, undefined> {
    for await (const page of this.#pages(prefix)) yield* page;
  }

  async delete(key: string): Promise<void> {
    await this.s3.deleteObject(this.address(key)).catch((error: unknown) => {
      if (s3Failure(error).name !== 'NoSuchKey') throw s3Error(error, `deleting ${key} failed`);
    });
  }

  /** Deletes all objects below `prefix`, page by page. */
  async deleteAll(prefix: string): Promise<void> {
    const what = `deleting all blobs below ${prefix} failed`;
    let batch: string[] = [];
    for await (const { key } of this.list(prefix)) {
      batch.push(key);
      if (batch.length < DELETE_BATCH) continue;
      await this.#deleteBatch(batch, what);
      batch = [];
    }
    if (batch.length > 0) await this.#deleteBatch(batch, what);
  }

  /** Ends uploads below the prefix that began before `beforeMs`. Failures are ignored: not every server supports it, and a policy may forbid it. */
  async abortStale(beforeMs: number): Promise<void> {
    const { bucket: Bucket, prefix: Prefix } = this.place;
    try {
      const found = await this.s3.listMultipartUploads({ Bucket, ...(Prefix === '' ? {} : { Prefix }) });
      for (const { Key, UploadId, Initiated } of found.Uploads ?? []) {
        if (Initiated === undefined || Initiated.getTime() >= beforeMs) continue;
        await this.s3.abortMultipartUpload({ Bucket, Key, UploadId });
      }
    } catch {
      // A leftover that cannot be removed is no reason not to serve.
    }
  }

  async *#pages(prefix: string): AsyncGenerator<S3Listed[], void, undefined> {
    let token: string | undefined;
    do {
      const page = await this.s3
        .listObjectsV2({
          Bucket: this.place.bucket,
          Prefix: this.place.prefix + prefix,
          ContinuationToken: token,
        })
        .catch((error: unknown) => {
          throw s3Error(error, `listing ${prefix || 'the bucket'} failed`);
        });
      yield (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
        key: Key.slice(this.place.prefix.length),
        sizeBytes: Size,
        modifiedAtMs: LastModified?.getTime() ?? 0,
      }));
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async #deleteBatch(keys: readonly string[], what: string): Promise<void> {
    const { Errors: errors = [] } = await this.s3
      .deleteObjects({
        Bucket: this.place.bucket,
        Delete: { Objects: keys.map((key) => ({ Key: this.address(key).Key })), Quiet: true },
      })
      .catch((error: unknown) => {
        throw s3Error(error, what);
      });
    const [first] = errors;
    if (first === undefined) return;
    const cause = Object.assign(new Error(first.Message ?? ''), { name: first.Code ?? 'unknown' });
    throw s3Error(Object.assign(cause, { code: cause.name }), `${what} (${errors.length} of ${keys.length} left)`);
  }

  /** A 404 to HEAD has no reason: the object or the whole bucket may be missing. This checks the bucket, at most once in 30 s. */
  async #requireBucket(what: string): Promise<void> {
    if (performance.now() - this.#bucketSeenAtMs < BUCKET_SEEN_MS) return;
    try {
      await this.s3.headBucket({ Bucket: this.place.bucket });
      this.#bucketSeenAtMs = performance.now();
    } catch (error) {
      if (s3Failure(error).status !== 404) throw s3Error(error, what);
      throw s3Error(Object.assign(new Error('HEAD of the bucket: 404'), { code: 'NoSuchBucket' }), what);
    }
  }
}

/** The error of a read whose version of the object does not exist any more. */
export function changed(key: string, how: 'replaced by another upload' | 'deleted' | 'cut short'): SconceError {
  return new SconceError('storage_unavailable', `${key} was ${how} while it was read: read it again from the start`, {
    details: { s3_error: 'PreconditionFailed' },
  });
}

/** Whether an error is one of `changed`. */
export function isChanged(thrown: unknown): boolean {
  return thrown instanceof SconceError && thrown.details['s3_error'] === 'PreconditionFailed';
}

function described(
  found: Pick<GetObjectCommandOutput, 'ETag' | 'LastModified' | 'Metadata'>,
  sizeBytes: number | undefined,
  key: string,
): S3Object {
  if (found.ETag !== undefined && sizeBytes !== undefined) {
    const modifiedAtMs = found.LastModified?.getTime() ?? 0;
    return { sizeBytes, etag: found.ETag, modifiedAtMs, uploadMark: found.Metadata?.[UPLOAD_MARK] };
  }
  throw new SconceError(
    'storage_unavailable',
    `the server did not say the ${found.ETag === undefined ? 'ETag' : 'length'} of ${key}: ` +
      'the server, or a proxy in front of it, does not follow the S3 protocol; Sconce needs ETag, Content-Length and ranges',
  );
}

function bodyOf(found: GetObjectCommandOutput, key: string): Readable {
  if (found.Body instanceof Readable) return found.Body;
  throw new SconceError('internal', `the body of ${key} is not a Node stream: the SDK's request handler has changed`);
}

function totalOf(contentRange: string | undefined): number | undefined {
  const total = /\/(\d+)$/.exec(contentRange ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}
