import * as z from 'zod';
import { isS3Url, parseS3Url } from './s3-url.ts';

/** Settings that only an S3 location has. */
const S3_SETTINGS = [
  'endpoint',
  'region',
  'forcePathStyle',
  'accessKeyId',
  'secretAccessKey',
  'cacheFolder',
  'cacheBytes',
] as const;

/**
 * The place of blobs: a folder, or a bucket of S3 or of a server with its protocol. All settings except `root` and `staleTempMs` are for S3
 * and are refused for a folder.
 */
export const storageConfigSchema = z
  .strictObject({
    /**
     * A folder, which is created if it is missing, or `s3://bucket/prefix` of an existing bucket (the prefix is optional). All API and worker
     * processes of one installation share it.
     */
    root: z.string().min(1),
    /** Unfinished uploads that are older are removed when the store is opened: their process has ended. */
    staleTempMs: z
      .int()
      .positive()
      .default(24 * 60 * 60 * 1000),
    /** `http(s)://host:port` of a server that is not AWS. Default: the AWS endpoint of the region. */
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    /** Default: the region that the AWS SDK finds (environment, shared config files); `us-east-1` with an endpoint. */
    region: z.string().min(1).optional(),
    /** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: true with an endpoint. */
    forcePathStyle: z.boolean().optional(),
    /** Set together with `secretAccessKey`. Default: the AWS SDK's own chain (environment, shared files, web identity, role). */
    accessKeyId: z.string().min(1).optional(),
    secretAccessKey: z.string().min(1).optional(),
    /**
     * A folder on this machine for copies of blobs (`localPath`) and for bodies during their upload. Several processes may share it.
     * Default: `sconce-cache-<user id>` in the system's temporary folder.
     */
    cacheFolder: z.string().min(1).optional(),
    /** Most bytes that the copies may take. Default 20 GiB. */
    cacheBytes: z.int().positive().optional(),
  })
  .superRefine((config, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (!isS3Url(config.root)) {
      for (const name of S3_SETTINGS.filter((name) => config[name] !== undefined)) {
        issue(
          name,
          'is only for S3, and the root is a folder: set the root to s3://bucket/prefix, or remove this setting',
        );
      }
      return;
    }
    const location = parseS3Url(config.root);
    if (typeof location === 'string') issue('root', location);
    if ((config.accessKeyId === undefined) !== (config.secretAccessKey === undefined)) {
      issue(
        config.accessKeyId === undefined ? 'accessKeyId' : 'secretAccessKey',
        'accessKeyId and secretAccessKey belong together: set both, or neither to use the AWS default chain',
      );
    }
    if (config.endpoint !== undefined && /^https?:\/\/[^/]*@/.test(config.endpoint)) {
      issue('endpoint', 'must not contain credentials: use accessKeyId and secretAccessKey');
    }
  });

/** The checked configuration, with defaults. */
export type StorageConfig = z.output<typeof storageConfigSchema>;
/** The configuration before the check. */
export type StorageConfigInput = z.input<typeof storageConfigSchema>;
