import { sep } from 'node:path';
import { SconceError, toSconceError } from '@sconce/errors';

/**
 * The same error with a message that leaves out these folders of this machine: callers read it, and must not learn the server's paths. The
 * given error is its cause, for the log.
 */
export function withoutFolders(thrown: unknown, folders: readonly string[]): SconceError {
  const error = toSconceError(thrown);
  let { message } = error;
  // The longest first: one may be in another.
  for (const folder of folders.toSorted((a, b) => b.length - a.length)) {
    message = message.replaceAll(folder + sep, '').replaceAll(folder, 'its folder');
  }
  if (message === error.message) return error;
  return new SconceError(error.code, message, { details: error.details, cause: error });
}
