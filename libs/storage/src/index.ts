export { isKeySegment, parseBlobKey, parseBlobPrefix } from './blob-key.ts';
export type { BlobStat, BlobStore, ByteRange, PutOptions, StoredBlob } from './blob-store.ts';
export { chunksOf, type BlobBody } from './body-chunks.ts';
export { MemoryByteSource, type ByteSource, type OpenByteSource } from './byte-source.ts';
export { openFile } from './open-file.ts';
export { FolderStore } from './folder-store.ts';
export { openBlobStore } from './open-blob-store.ts';
export { S3Store } from './s3-store.ts';
export { storageConfigSchema, type StorageConfig, type StorageConfigInput } from './storage.config.ts';
