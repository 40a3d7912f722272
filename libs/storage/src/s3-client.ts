import type { S3 } from '@aws-sdk/client-s3';
import { S3Bucket } from './s3-bucket.ts';
import { s3Error } from './s3-error.ts';
import { parseS3Url } from './s3-url.ts';
import type { StorageConfig } from './storage.config.ts';
import { SconceError } from '@sconce/errors';

const CONNECT_TIMEOUT_MS = 5_000;
const SILENCE_TIMEOUT_MS = 30_000;
const MAX_SOCKETS = 256;

/**
 * Connects to the bucket of an S3 location. Loads the AWS SDK (some 35 MB of memory): a process whose root is a folder
 * never comes here.
 * @throws SconceError `invalid_request` where the root is none, `storage_unavailable`.
 */
export async function connectBucket(config: StorageConfig): Promise<S3Bucket> {
  const place = parseS3Url(config.root);
  if (typeof place === 'string') {
    throw new SconceError('invalid_request', `the storage root ${place}`, { details: { param: 'root' } });
  }
  const where = `s3://${place.bucket}/${place.prefix}`;
  try {
    return new S3Bucket(await makeClient(config), place);
  } catch (error) {
    throw s3Error(error, `opening the storage ${where} failed`);
  }
}

async function makeClient(config: StorageConfig): Promise<S3> {
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint, accessKeyId, secretAccessKey } = config;
  const region = config.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  return new sdk.S3({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(accessKeyId === undefined || secretAccessKey === undefined
      ? {}
      : { credentials: { accessKeyId, secretAccessKey } }),
    forcePathStyle: config.forcePathStyle ?? endpoint !== undefined,
    maxAttempts: 4,
    // Every body is signed with its SHA-256 anyway, and servers that are not AWS know the newer checksums only in part.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
      // An open stream holds a connection: the default of 50 would let a few idle readers stop everybody.
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
  });
}
