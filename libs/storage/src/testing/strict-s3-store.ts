import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import {
  FilesystemStore,
  S3Error,
  S3Object,
  type KoaContext,
  type ListOptions,
  type ListResult,
  type S3rverObject,
} from './s3rver-types.ts';

const OBJECT_SUFFIX = '._S3rver_object';

/**
 * s3rver's file system store with the guarantees of S3 that s3rver 5.0.0 lacks: objects are replaced as a whole, `If-None-Match: *` on PUT
 * and on completion, `If-Match` on GET, listings in key order, concurrent deletes, and multipart uploads that can be aborted and listed.
 * The protocol (HTTP, signatures, XML) is s3rver's.
 */
export class StrictS3Store extends FilesystemStore {
  readonly #headers = new AsyncLocalStorage<IncomingHttpHeaders>();
  readonly #temp: string;
  readonly #conditionalWrites: boolean;
  readonly #partsInFlight = new Map<string, Set<Promise<unknown>>>();
  #previous: Promise<unknown> = Promise.resolve();

  constructor(options: { readonly directory: string; readonly temp: string; readonly conditionalWrites: boolean }) {
    super(options.directory);
    this.#temp = options.temp;
    this.#conditionalWrites = options.conditionalWrites;
  }

  /** Koa middleware: gives the request's headers to the store, and answers requests for which s3rver has no route. */
  readonly middleware = async (context: KoaContext, next: () => Promise<void>): Promise<void> => {
    const [, bucket = '', ...rest] = context.path.split('/');
    const { uploadId, uploads } = context.query;
    if (bucket !== '' && rest.length === 1 && rest[0] === '') {
      // The SDK asks for `/bucket/`. s3rver checks its signature only with the settings of a mount.
      context.state.vhost = true;
      context.mountPath = '/';
    }
    if (context.method === 'DELETE' && uploadId !== undefined) {
      await this.abortUpload(bucket, uploadId);
      context.status = 204;
    } else if (context.method === 'GET' && uploads !== undefined && rest.join('/') === '') {
      context.body = await this.#listUploads(bucket);
    } else {
      await this.#headers.run(context.headers, next);
    }
  };

  override async putObject(object: S3rverObject): Promise<{ size: number; md5: string }> {
    const temp = join(this.#temp, randomUUID());
    try {
      const [size, md5] = await this.putContent(temp, object.content ?? Buffer.alloc(0));
      await this.#exclusively(async () => {
        const isNew = this.#headers.getStore()?.['if-none-match'] === '*' && this.#conditionalWrites;
        if (isNew && (await this.existsObject(object.bucket, object.key))) throw preconditionFailed();
        const path = this.getResourcePath(object.bucket, object.key, 'object');
        await mkdir(dirname(path), { recursive: true });
        await this.putMetadata(object.bucket, object.key, object.metadata, md5);
        await rename(temp, path);
      });
      return { size, md5 };
    } finally {
      await rm(temp, { force: true });
    }
  }

  override async getObject(
    bucket: string,
    key: string,
    options: { start?: number; end?: number } = {},
  ): Promise<S3rverObject | null> {
    return this.#exclusively(async () => {
      const metadata = await this.getMetadata(bucket, key).catch(() => undefined);
      if (metadata === undefined) return null;
      const wanted = this.#headers.getStore()?.['if-match'];
      if (wanted !== undefined && wanted !== metadata['etag']) throw preconditionFailed();
      const size = Number(metadata['content-length']);
      const { start = 0, end = Infinity } = options;
      const range = { start, end: Math.min(end, size - 1) };
      const isRange = options.start !== undefined;
      const isOutside = isRange && (start >= size || range.end < start);
      const content = isOutside ? null : await this.#contentOf(bucket, key, size === 0 ? {} : range);
      return Object.assign(new S3Object(bucket, key, content, metadata), isRange ? { range } : {});
    });
  }

  override async deleteObject(bucket: string, key: string): Promise<void> {
    await this.#exclusively(async () => {
      if (await this.existsObject(bucket, key)) await super.deleteObject(bucket, key);
    });
  }

  override async listObjects(bucket: string, options: ListOptions): Promise<ListResult> {
    const { startAfter = '', prefix = '', maxKeys = Infinity } = options;
    const root = this.getBucketPath(bucket);
    const keys = (await readdir(root, { recursive: true }))
      .filter((path) => path.endsWith(OBJECT_SUFFIX))
      .map((path) => path.slice(0, -OBJECT_SUFFIX.length))
      .filter((key) => key > startAfter && key.startsWith(prefix))
      .sort();
    const objects = await Promise.all(
      keys.slice(0, maxKeys).map(async (key) => {
        const metadata = await this.getMetadata(bucket, key).catch(() => undefined);
        return metadata && new S3Object(bucket, key, null, metadata);
      }),
    );
    const found = objects.filter((object) => object !== undefined);
    return { objects: found, commonPrefixes: [], isTruncated: keys.length > maxKeys };
  }

  override async putPart(
    bucket: string,
    uploadId: string,
    number: string,
    content: Readable | Buffer,
  ): Promise<object> {
    await this.#requireUpload(bucket, uploadId);
    const parts = this.#partsInFlight.get(uploadId) ?? new Set();
    this.#partsInFlight.set(uploadId, parts);
    const part = super.putPart(bucket, uploadId, number, content);
    parts.add(part);
    return part.finally(() => parts.delete(part));
  }

  override async putObjectMultipart(bucket: string, uploadId: string, parts: readonly object[]): Promise<object> {
    await this.#requireUpload(bucket, uploadId);
    return super.putObjectMultipart(bucket, uploadId, parts);
  }

  /** Deletes an upload and its parts. */
  async abortUpload(bucket: string, uploadId: string): Promise<void> {
    await this.#requireUpload(bucket, uploadId);
    await Promise.allSettled(this.#partsInFlight.get(uploadId) ?? []);
    this.#partsInFlight.delete(uploadId);
    await rm(join(this.#uploads(bucket), uploadId), { recursive: true });
  }

  async #listUploads(bucket: string): Promise<object> {
    const folder = this.#uploads(bucket);
    const uploads = await Promise.all(
      (await readdir(folder).catch(() => [])).map(async (UploadId) => ({
        Key: await readFile(join(folder, UploadId, 'key'), 'utf8'),
        UploadId,
        Initiated: (await stat(join(folder, UploadId, 'key'))).mtime.toISOString(),
      })),
    );
    return { ListMultipartUploadsResult: { Bucket: bucket, IsTruncated: false, Upload: uploads } };
  }

  #uploads(bucket: string): string {
    return this.getResourcePath(bucket, undefined, 'uploads');
  }

  async #requireUpload(bucket: string, uploadId: string): Promise<void> {
    const folder = join(this.#uploads(bucket), basename(uploadId));
    if ((await stat(folder).catch(() => undefined)) !== undefined) return;
    throw new S3Error('NoSuchUpload', 'The specified upload does not exist.');
  }

  async #contentOf(bucket: string, key: string, range: { start?: number; end?: number }): Promise<Readable> {
    const file = await open(this.getResourcePath(bucket, key, 'object'));
    return file.createReadStream(range);
  }

  /** Runs one after the other: work that reads or changes several files of an object. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#previous.then(work);
    this.#previous = result.catch(() => undefined);
    return result;
  }
}

function preconditionFailed(): Error {
  return new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
}
