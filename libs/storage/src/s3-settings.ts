import { isS3Url } from './s3-url.ts';
import { storageConfigSchema, type StorageConfig } from './storage.config.ts';

/** The settings of the blob store, and of the buckets that hold datasets. */
export interface StorageSettings {
  readonly SCONCE_DATA: string;
  readonly SCONCE_S3_ENDPOINT?: string | undefined;
  readonly SCONCE_S3_REGION?: string | undefined;
  readonly SCONCE_S3_FORCE_PATH_STYLE?: boolean | undefined;
  readonly SCONCE_S3_ACCESS_KEY_ID?: string | undefined;
  readonly SCONCE_S3_SECRET_ACCESS_KEY?: string | undefined;
  readonly SCONCE_S3_CACHE?: string | undefined;
  readonly SCONCE_S3_CACHE_BYTES?: number | undefined;
}

/** Settings of the connection to S3. */
export type S3Settings = Omit<StorageConfig, 'root' | 'staleTempMs'>;

/** Configuration of the blob store, and settings of S3. @throws ZodError that names the wrong setting. */
export function storageFromSettings(vars: StorageSettings): {
  readonly storage: StorageConfig;
  readonly s3: S3Settings;
} {
  const root = vars.SCONCE_DATA;
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
