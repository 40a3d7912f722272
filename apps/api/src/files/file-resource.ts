import type { File } from '@sconce/contracts';
import type { FileRecord } from '@sconce/queue';
import { epochSeconds } from '../http/epoch-seconds.ts';

/** A file as the API shows it. */
export function toFileResource({ id, bytes, createdAtMs, expiresAtMs, filename, purpose }: FileRecord): File {
  return {
    id,
    object: 'file',
    bytes,
    created_at: epochSeconds(createdAtMs),
    expires_at: expiresAtMs === undefined ? undefined : epochSeconds(expiresAtMs),
    filename,
    purpose,
    status: 'processed',
  };
}
