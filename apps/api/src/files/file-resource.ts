import type { FileRecord } from '@sconce/queue';

/** A file as OpenAI's clients know it; times are epoch seconds. */
export interface FileResource {
  readonly id: string;
  readonly object: 'file';
  readonly bytes: number;
  readonly created_at: number;
  readonly expires_at?: number;
  readonly filename: string;
  readonly purpose: FileRecord['purpose'];
  /** Always `processed`: a file that could not be stored does not exist. */
  readonly status: 'processed';
}

export function toFileResource(file: FileRecord): FileResource {
  const { id, bytes, createdAtMs, expiresAtMs, filename, purpose } = file;
  return {
    id,
    object: 'file',
    bytes,
    created_at: Math.floor(createdAtMs / 1_000),
    ...(expiresAtMs === undefined ? {} : { expires_at: Math.floor(expiresAtMs / 1_000) }),
    filename,
    purpose,
    status: 'processed',
  };
}
