import { SconceError } from '@sconce/errors';
import { systemCode } from './storage-error.ts';

const DENIED =
  'access denied: allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the ' +
  'objects, and s3:ListBucket on the bucket (without it S3 answers "denied" for missing objects too)';
const REGION = 'the bucket is in another region: set the region of the bucket';
const UNREACHABLE = 'check the endpoint, the network, and whether the server runs';
const BUSY = 'the server is overloaded or has an internal error: try again later';

/** Advice by the name of the S3 error or the code of the system error. */
const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: 'the bucket does not exist: create it, or correct its name',
  InvalidBucketName: 'the bucket name is not allowed: correct it',
  AccessDenied: DENIED,
  Forbidden: DENIED,
  AllAccessDisabled: DENIED,
  InvalidAccessKeyId: 'the access key is unknown to the server: correct the access key id',
  SignatureDoesNotMatch: 'the secret access key is wrong: correct it (and check that no proxy changes the requests)',
  ExpiredToken: 'the session token has expired: renew the credentials',
  InvalidToken: 'the session token is not valid: renew the credentials',
  CredentialsProviderError:
    'no credentials: set accessKeyId and secretAccessKey, or give this process AWS credentials (environment, shared file, role)',
  RequestTimeTooSkewed: "the clocks differ too much: set this machine's clock",
  PermanentRedirect: REGION,
  AuthorizationHeaderMalformed: REGION,
  IllegalLocationConstraintException: REGION,
  SlowDown: BUSY,
  ServiceUnavailable: BUSY,
  InternalError: BUSY,
  EntityTooLarge: 'the server does not accept objects of this size: use smaller ones',
  QuotaExceeded: 'the quota of the bucket is used up: free space or raise it',
  XMinioStorageFull: 'the disks of the server are full: free space',
  NotImplemented:
    'the server lacks this part of the S3 protocol (Sconce needs multipart uploads and writes with If-None-Match)',
  NoSuchUpload:
    'the upload was ended by the server, for example by a lifecycle rule for unfinished uploads: send it again',
  ECONNREFUSED: `connection refused: ${UNREACHABLE}`,
  ECONNRESET: `the connection was lost: ${UNREACHABLE}`,
  EPIPE: `the connection was lost: ${UNREACHABLE}`,
  EHOSTUNREACH: `the server cannot be reached: ${UNREACHABLE}`,
  ENETUNREACH: `the server cannot be reached: ${UNREACHABLE}`,
  ENOTFOUND: 'the host name is unknown: correct the endpoint or the region',
  EAI_AGAIN: 'the host name cannot be resolved now: check the DNS',
  ETIMEDOUT: `the server does not answer: ${UNREACHABLE}`,
  TimeoutError: `the server does not answer in time: ${UNREACHABLE}`,
};

/** Advice by status: answers to HEAD have no body, so the error has no name. */
const BY_STATUS: Readonly<Record<number, string>> = { 301: REGION, 403: DENIED, 429: BUSY, 503: BUSY };

/** The store has no room. */
const FULL: ReadonlySet<string> = new Set(['QuotaExceeded', 'XMinioStorageFull', 'InsufficientStorage']);

interface S3Failure {
  /** `NoSuchKey`, …; the system's code if there was no HTTP answer. */
  readonly name: string;
  readonly status: number | undefined;
}

/** Name and HTTP status of an error of the AWS SDK. */
export function s3Failure(thrown: unknown): S3Failure {
  if (!(thrown instanceof Error)) return { name: 'unknown', status: undefined };
  const { $metadata: metadata } = thrown as { $metadata?: { httpStatusCode?: number } };
  const status = metadata?.httpStatusCode;
  if (status !== undefined) return { name: thrown.name, status };
  // If a host has several addresses, the SDK throws their errors together.
  const first = thrown instanceof AggregateError ? (thrown.errors[0] as unknown) : undefined;
  return { name: systemCode(thrown) ?? systemCode(first) ?? thrown.name, status };
}

/**
 * Turns an error of the AWS SDK into SconceError `storage_unavailable` or `storage_full` with advice. Its cause is a plain copy (name, message, request id),
 * because the SDK's error contains the request with its signature and session token, which must not get into the log. A SconceError is
 * returned unchanged.
 */
export function s3Error(thrown: unknown, what: string): SconceError {
  if (thrown instanceof SconceError) return thrown;
  const { name, status } = s3Failure(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const advice =
    (Object.hasOwn(ADVICE, name) ? ADVICE[name] : undefined) ??
    (status === undefined ? regionMissing(message) : BY_STATUS[status]);
  const full = FULL.has(name) || status === 507;
  return new SconceError(full ? 'storage_full' : 'storage_unavailable', `${what}: ${advice ?? (message || name)}`, {
    details: { s3_error: name, http_status: status },
    cause: plainCopy(thrown, name, message),
  });
}

function regionMissing(message: string): string | undefined {
  return message.includes('Region is missing') ? 'no region: set the region of the bucket' : undefined;
}

function plainCopy(thrown: unknown, name: string, message: string): Error {
  const { $metadata: metadata } = (thrown ?? {}) as { $metadata?: { requestId?: string; attempts?: number } };
  const id = metadata?.requestId === undefined ? '' : ` (request ${metadata.requestId})`;
  const copy = new Error(`${message}${id}`);
  copy.name = name;
  if (thrown instanceof Error && thrown.stack !== undefined) copy.stack = thrown.stack;
  return Object.assign(copy, { code: name });
}
