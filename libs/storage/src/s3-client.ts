import type { S3 } from '@aws-sdk/client-s3';
import { S3Bucket } from './s3-bucket.ts';
import { s3Error } from './s3-error.ts';
import { parseS3Url } from './s3-url.ts';
import type { StorageConfig } from './storage.config.ts';
import { SconceError } from '@sconce/errors';

const CONNECT_TIMEOUT_MS = 5_000;
const SOCKET_TIMEOUT_MS = 30_000;
const MAX_SOCKETS = 256;

/**
 * Connects to the bucket of an S3 location. It loads the AWS SDK (about 35 MB of memory), so it is not called when the root is a folder.
 * @throws SconceError `invalid_request` if the root is not an S3 location, `storage_unavailable`.
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
    region,
    endpoint,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
    forcePathStyle: config.forcePathStyle ?? endpoint !== undefined,
    maxAttempts: 4,
    // Each body is signed with its SHA-256 already. Servers that are not AWS support only some of the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      // An open stream holds a connection. With the default of 50 a few idle readers could block all other requests.
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
  });
}
