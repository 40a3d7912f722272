import { SconceError } from '@sconce/errors';

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free space or enlarge the volume',
  EDQUOT: 'the disk quota is used up: free space or raise the quota',
  EACCES: 'permission denied: give this process read and write access to the storage folder',
  EPERM: 'the operation is not permitted there: check the ownership and mount options of the storage folder',
  EROFS: 'the file system is read-only: mount it writable or choose another storage folder',
  EMFILE: 'too many open files: raise the limit of this process',
  ENFILE: 'too many open files on this machine: raise the system limit',
  EIO: 'the disk reports an input/output error: check the volume',
  ESTALE: 'the network file system lost the file: check the mount',
};

/** The store has no room. A later attempt fails as well, unless somebody frees space. */
const FULL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** The `code` of a Node system error (`ENOENT`, …), if it is one. */
export function systemCode(thrown: unknown): string | undefined {
  const code = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** Whether the error of a system call means that the path does not exist. */
export function isMissing(thrown: unknown): boolean {
  const code = systemCode(thrown);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/**
 * Turns a system error into SconceError `storage_unavailable` or `storage_full` with advice and the cause. A SconceError is returned unchanged. The message
 * names the key, not the path: clients must not see paths. The path is in the cause, which is logged.
 */
export function storageError(thrown: unknown, what: string): SconceError {
  if (thrown instanceof SconceError) return thrown;
  const code = systemCode(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  // The message of a system error ends with the call and its path: "EEXIST: file already exists, open '/data/…'".
  const reason = (code !== undefined && ADVICE[code]) || (code === undefined ? message : message.split(', ')[0]);
  const kind = code !== undefined && FULL.has(code) ? 'storage_full' : 'storage_unavailable';
  return new SconceError(kind, `${what}: ${reason}`, {
    details: code === undefined ? undefined : { errno: code },
    cause: thrown,
  });
}
