import { SconceError } from '@sconce/errors';

/** The error for a file whose bytes are not in the store any more. */
export function fileGone(id: string): SconceError {
  return new SconceError('file_not_found', `The bytes of file "${id}" are gone from the store.`, {
    details: { param: 'file_id' },
  });
}
