import type { File } from '@sconce/contracts';
import type { FileRecord } from '@sconce/queue';

/** A file as the API shows it. */
export function toFileResource({ id, bytes, createdAtMs, expiresAtMs, filename, purpose }: FileRecord): File {
  return {
    id,
    object: 'file',
    bytes,
    created_at: Math.floor(createdAtMs / 1_000),
    expires_at: expiresAtMs === undefined ? undefined : Math.floor(expiresAtMs / 1_000),
    filename,
    purpose,
    status: 'processed',
  };
}
