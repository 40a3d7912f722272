import * as z from 'zod';
import { isS3Url, parseS3Url } from './s3-url.ts';

/** What only an S3 location has. */
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
 * Where blobs are kept: a folder, or a bucket of S3 or of a server that speaks its protocol. Every setting but `root` and
 * `staleTempMs` is for S3 alone and refused beside a folder.
 */
export const storageConfigSchema = z
  .strictObject({
    /**
     * A folder, created where it is missing; or `s3://bucket` or `s3://bucket/some/prefix`, a bucket that exists. All API
     * and worker processes of one installation share it.
     */
    root: z.string().min(1),
    /** Unfinished uploads older than this are removed when the store is opened: their process is gone. */
    staleTempMs: z
      .int()
      .positive()
      .default(24 * 60 * 60 * 1000),
    /** `http(s)://host:port` of a server that is not AWS. Default: AWS, by the region. */
    endpoint: z.url({ protocol: /^https?$/ }).optional(),
    /** Default: what the AWS SDK finds (environment, shared config files); `us-east-1` where an endpoint is given. */
    region: z.string().min(1).optional(),
    /** `https://host/bucket/key` instead of `https://bucket.host/key`. Default: true where an endpoint is given. */
    forcePathStyle: z.boolean().optional(),
    /** Goes with `secretAccessKey`. Default: the AWS SDK's own chain (environment, shared files, web identity, role). */
    accessKeyId: z.string().min(1).optional(),
    secretAccessKey: z.string().min(1).optional(),
    /**
     * A folder on this machine for copies of blobs (`localPath`) and for bodies on their way up; processes may share it.
     * Default: `sconce-cache-<user id>` in the system's temporary folder.
     */
    cacheFolder: z.string().min(1).optional(),
    /** What the copies may take, in bytes. Default 20 GiB. */
    cacheBytes: z.int().positive().optional(),
  })
  .superRefine((config, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    if (!isS3Url(config.root)) {
      for (const name of S3_SETTINGS.filter((name) => config[name] !== undefined)) {
        issue(name, 'is for S3 alone: the root is a folder; write s3://bucket/prefix there, or leave this out');
      }
      return;
    }
    const location = parseS3Url(config.root);
    if (typeof location === 'string') issue('root', location);
    if ((config.accessKeyId === undefined) !== (config.secretAccessKey === undefined)) {
      issue(
        config.accessKeyId === undefined ? 'accessKeyId' : 'secretAccessKey',
        'accessKeyId and secretAccessKey go together: give both, or neither for the AWS default chain',
      );
    }
    if (config.endpoint !== undefined && /^https?:\/\/[^/]*@/.test(config.endpoint)) {
      issue('endpoint', 'must not contain credentials: use accessKeyId and secretAccessKey');
    }
  });

/** Checked, with defaults. */
export type StorageConfig = z.output<typeof storageConfigSchema>;
/** As a person writes it. */
export type StorageConfigInput = z.input<typeof storageConfigSchema>;
