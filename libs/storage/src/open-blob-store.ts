import type { BlobStore } from './blob-store.ts';
import { FolderStore } from './folder-store.ts';
import { isS3Url } from './s3-url.ts';
import type { StorageConfigInput } from './storage.config.ts';

/**
 * Opens the configured store: a bucket if `root` is `s3://…`, else a folder. The AWS SDK is loaded only for a bucket.
 * @param options.mustExist this process has opened the store before: a missing folder is not made.
 * @throws SconceError `storage_unavailable`.
 */
export async function openBlobStore(
  config: StorageConfigInput,
  options: { readonly mustExist?: boolean } = {},
): Promise<BlobStore> {
  if (!isS3Url(config.root)) return FolderStore.open(config, options);
  const { S3Store } = await import('./s3-store.ts');
  return S3Store.open(config);
}
