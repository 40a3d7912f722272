import { createRequire } from 'node:module';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';

// Types for the used parts of @20minutes/s3rver 5.0.0, which has none.

/** An object, as s3rver's protocol layer reads and writes it. */
export interface S3rverObject {
  readonly bucket: string;
  readonly key: string;
  readonly content: Readable | Buffer | null;
  readonly metadata: Readonly<Record<string, string>>;
  range?: { readonly start: number; readonly end: number };
}

/** s3rver's store on the file system. */
export interface S3rverStore {
  getMetadata(bucket: string, key: string): Promise<Record<string, string>>;
  putMetadata(bucket: string, key: string, metadata: object, md5: string): Promise<void>;
  putContent(path: string, content: Readable | Buffer): Promise<[size: number, md5: string]>;
  getResourcePath(bucket: string, key: string | undefined, resource: string): string;
  getBucketPath(bucket: string): string;
  listObjects(bucket: string, options: ListOptions): Promise<ListResult>;
  existsObject(bucket: string, key: string): Promise<boolean>;
  getObject(bucket: string, key: string, options?: { start?: number; end?: number }): Promise<S3rverObject | null>;
  putObject(object: S3rverObject): Promise<{ size: number; md5: string }>;
  deleteObject(bucket: string, key: string): Promise<void>;
  putPart(bucket: string, uploadId: string, number: string, content: Readable | Buffer): Promise<object>;
  putObjectMultipart(bucket: string, uploadId: string, parts: readonly object[]): Promise<object>;
}

export interface ListOptions {
  readonly startAfter?: string | undefined;
  readonly prefix?: string | undefined;
  readonly maxKeys?: number;
}

export interface ListResult {
  readonly objects: readonly S3rverObject[];
  readonly commonPrefixes: readonly string[];
  readonly isTruncated: boolean;
}

/** The used parts of a Koa context. */
export interface KoaContext {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly headers: IncomingHttpHeaders;
  readonly state: { vhost?: boolean };
  mountPath?: string;
  status: number;
  body: unknown;
}

export type KoaMiddleware = (context: KoaContext, next: () => Promise<void>) => Promise<void>;

/** The server: a Koa application. */
export interface S3rverApplication {
  readonly context: { store: S3rverStore };
  store: S3rverStore;
  readonly middleware: KoaMiddleware[];
  run(): Promise<{ readonly port: number }>;
}

const require = createRequire(import.meta.url);

export const S3rver = require('@20minutes/s3rver') as new (options: object) => S3rverApplication;
export const FilesystemStore = require('@20minutes/s3rver/lib/stores/filesystem.js') as new (
  directory: string,
) => S3rverStore;
export const S3Object = require('@20minutes/s3rver/lib/models/object.js') as new (
  bucket: string,
  key: string,
  content: Readable | null,
  metadata: object,
) => S3rverObject;
export const S3Error = require('@20minutes/s3rver/lib/models/error.js') as new (
  code: string,
  message: string,
  detail?: object,
) => Error;
export const accounts = require('@20minutes/s3rver/lib/models/account.js') as {
  readonly DUMMY_ACCOUNT: { createKeyPair(accessKeyId: string, secretAccessKey: string): void };
};
