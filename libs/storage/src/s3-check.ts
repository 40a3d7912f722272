import { SconceError } from '@sconce/errors';
import type { S3Bucket } from './s3-bucket.ts';
import { s3Error, s3Failure } from './s3-error.ts';

/** The leading dot makes it different from every blob. */
const PROBE = '.sconce-conditional-writes';
const PROBE_TEXT =
  'Sconce writes this object when it starts, to learn whether the server honours If-None-Match. It may be deleted.\n';

/**
 * Checks that the bucket exists, can be read and written, and supports conditional writes. A server that ignores If-None-Match
 * overwrites objects without an error, so two uploads with `ifAbsent` could both report success.
 * @throws SconceError `storage_unavailable`.
 */
export async function checkBucket(bucket: S3Bucket): Promise<void> {
  const { bucket: Bucket, prefix } = bucket.place;
  const what = `opening the storage s3://${Bucket}/${prefix} failed`;
  try {
    await bucket.s3.listObjectsV2({ Bucket, Prefix: prefix, MaxKeys: 1 });
    // The first write may create the probe object. The second must be refused.
    if ((await isRefused(bucket)) || (await isRefused(bucket))) return;
  } catch (error) {
    throw s3Error(error, what);
  }
  throw new SconceError(
    'storage_unavailable',
    `${what}: the server ignores If-None-Match, so uploads could overwrite each other: use AWS S3 or a server (or a newer ` +
      'version of it) with conditional writes',
  );
}

async function isRefused(bucket: S3Bucket): Promise<boolean> {
  try {
    await bucket.s3.putObject({ ...bucket.address(PROBE), IfNoneMatch: '*', Body: PROBE_TEXT });
    return false;
  } catch (error) {
    const { status } = s3Failure(error);
    // 409: another process writes it at this moment, and the server noticed.
    if (status === 412 || status === 409) return true;
    throw error;
  }
}
