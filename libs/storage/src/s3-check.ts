import { SconceError } from '@sconce/errors';
import type { S3Bucket } from './s3-bucket.ts';
import { s3Error, s3Failure } from './s3-error.ts';

/** Its leading dot keeps it apart from every blob. */
const PROBE = '.sconce-conditional-writes';
const PROBE_TEXT =
  'Sconce writes this object when it starts, to learn whether the server honours If-None-Match. It may be deleted.\n';

/**
 * Whether the bucket is there, may be read and written, and honours conditional writes. The last matters most: a server
 * that does not know If-None-Match overwrites without a word, and two uploads could both believe they won.
 * @throws SconceError `storage_unavailable`.
 */
export async function checkBucket(bucket: S3Bucket): Promise<void> {
  const { bucket: Bucket, prefix } = bucket.place;
  const what = `opening the storage s3://${Bucket}/${prefix} failed`;
  try {
    await bucket.s3.listObjectsV2({ Bucket, Prefix: prefix, MaxKeys: 1 });
    // The first may write the probe, when it is missing; the second must be refused.
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
    // 409: another process writes it at this moment, and the server minds.
    if (status === 412 || status === 409) return true;
    throw error;
  }
}
