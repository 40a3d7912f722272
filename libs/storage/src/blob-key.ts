import { SconceError } from '@sconce/errors';

const MAX_KEY_LENGTH = 800;
const MAX_SEGMENT_LENGTH = 200;
// No leading dot: this excludes `.`, `..` and the store's own `.tmp`.
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;

/** Whether `name` is allowed as a segment of a key. */
export function isKeySegment(name: string): boolean {
  return name.length <= MAX_SEGMENT_LENGTH && SEGMENT.test(name);
}

/**
 * Checks a blob key: segments of `A-Z a-z 0-9 . _ -` (1 to 200 characters, no leading dot) joined by `/`, 800 characters
 * at most. Returns the segments.
 * @throws SconceError `invalid_request`.
 */
export function parseBlobKey(key: string): readonly string[] {
  const segments = key.split('/');
  if (key.length <= MAX_KEY_LENGTH && segments.every(isKeySegment)) return segments;
  throw new SconceError(
    'invalid_request',
    `storage key ${quote(key)} is not allowed: use segments of A-Z a-z 0-9 . _ - without a leading dot, ` +
      `at most ${MAX_SEGMENT_LENGTH} characters each, joined by single slashes, at most ${MAX_KEY_LENGTH} in all`,
    { details: { param: 'key' } },
  );
}

/**
 * Checks a prefix: it is empty, or a key followed by `/`, so that `models/a/` never includes `models/ab`. Returns the segments.
 * @throws SconceError `invalid_request`.
 */
export function parseBlobPrefix(prefix: string): readonly string[] {
  if (prefix === '') return [];
  if (prefix.endsWith('/')) return parseBlobKey(prefix.slice(0, -1));
  throw new SconceError('invalid_request', `storage prefix ${quote(prefix)} must be empty or end with a slash`, {
    details: { param: 'prefix' },
  });
}

function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
