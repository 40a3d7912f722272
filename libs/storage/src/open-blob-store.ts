import type { BlobStore } from './blob-store.ts';
import { FolderStore } from './folder-store.ts';
import { isS3Url } from './s3-url.ts';
import type { StorageConfigInput } from './storage.config.ts';

/**
 * Opens the store a configuration names: a folder, or a bucket where `root` is `s3://…`. Only then the AWS SDK is loaded.
 * @throws SconceError `storage_unavailable`.
 */
export async function openBlobStore(config: StorageConfigInput): Promise<BlobStore> {
  if (!isS3Url(config.root)) return FolderStore.open(config);
  const { S3Store } = await import('./s3-store.ts');
  return S3Store.open(config);
}
