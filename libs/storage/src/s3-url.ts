import { parseBlobKey } from './blob-key.ts';

const SCHEME = 's3://';
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const MAX_PREFIX_LENGTH = 200;

/** A place in S3. */
export interface S3Place {
  readonly bucket: string;
  /** First part of every key. It is empty or ends with a slash. */
  readonly prefix: string;
}

/** Whether `root` is a bucket, not a folder. */
export function isS3Url(root: string): boolean {
  return root.slice(0, SCHEME.length).toLowerCase() === SCHEME;
}

/** Reads `s3://bucket/optional/prefix`. Returns the reason as text if it is not valid. */
export function parseS3Url(url: string): S3Place | string {
  const [bucket = '', ...rest] = url.slice(SCHEME.length).split('/');
  if (!BUCKET.test(bucket)) {
    return 'must name a bucket: s3://bucket or s3://bucket/prefix; bucket names have 3 to 63 of a-z 0-9 . -';
  }
  const prefix = rest.join('/').replace(/\/$/, '');
  if (prefix === '') return { bucket, prefix: '' };
  try {
    parseBlobKey(prefix);
  } catch {
    return `the prefix ${JSON.stringify(prefix.slice(0, 100))} must follow the rules of keys: segments of A-Z a-z 0-9 . _ - without a leading dot, joined by single slashes`;
  }
  // S3 allows 1024 bytes in all, and a key may have 800.
  if (prefix.length > MAX_PREFIX_LENGTH) return `the prefix may have at most ${MAX_PREFIX_LENGTH} characters`;
  return { bucket, prefix: `${prefix}/` };
}
