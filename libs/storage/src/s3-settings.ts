import { z } from 'zod';
import { isS3Url } from './s3-url.ts';
import { storageConfigSchema, type StorageConfig } from './storage.config.ts';

/** Environment variables that say how to reach S3; for the store, and for datasets that lie in buckets. */
export const s3EnvSchema = z.object({
  /** `http(s)://host:port` of a server that is not AWS. */
  SCONCE_S3_ENDPOINT: z.string().optional(),
  SCONCE_S3_REGION: z.string().optional(),
  SCONCE_S3_FORCE_PATH_STYLE: z.stringbool().optional(),
  /** Default: what the AWS SDK finds in the environment, its files, or the machine's role. */
  SCONCE_S3_ACCESS_KEY_ID: z.string().optional(),
  SCONCE_S3_SECRET_ACCESS_KEY: z.string().optional(),
  /** Folder for copies of blobs on this machine, and how many bytes they may take. */
  SCONCE_S3_CACHE: z.string().optional(),
  SCONCE_S3_CACHE_BYTES: z.coerce.number().int().positive().optional(),
});

/** How S3 is reached. */
export type S3Settings = Omit<StorageConfig, 'root' | 'staleTempMs'>;

/** The store and S3's settings as the environment has them. Throws a ZodError that names what is wrong. */
export function storageFromEnv(
  env: NodeJS.ProcessEnv,
  root: string,
): { readonly storage: StorageConfig; readonly s3: S3Settings } {
  const vars = s3EnvSchema.parse(env);
  const given = {
    endpoint: vars.SCONCE_S3_ENDPOINT,
    region: vars.SCONCE_S3_REGION,
    forcePathStyle: vars.SCONCE_S3_FORCE_PATH_STYLE,
    accessKeyId: vars.SCONCE_S3_ACCESS_KEY_ID,
    secretAccessKey: vars.SCONCE_S3_SECRET_ACCESS_KEY,
    cacheFolder: vars.SCONCE_S3_CACHE,
    cacheBytes: vars.SCONCE_S3_CACHE_BYTES,
  };
  const s3 = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as S3Settings;
  return { storage: storageConfigSchema.parse({ root, ...(isS3Url(root) ? s3 : {}) }), s3 };
}
