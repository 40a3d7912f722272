import { SconceError } from '@sconce/errors';
import { systemCode } from './storage-error.ts';

const DENIED =
  'access denied: allow these credentials s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the ' +
  'objects, and s3:ListBucket on the bucket (without it S3 also answers "denied" for what is merely missing)';
const REGION = 'the bucket is in another region: set the region it was made in';
const UNREACHABLE = 'check the endpoint, the network and that the server runs';
const BUSY = 'the server asks for fewer requests or has trouble of its own: try again later';

/** By the S3 error's name, or the system error's code. */
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
  EntityTooLarge: 'the server does not take objects this large',
  QuotaExceeded: 'the quota of the bucket is used up: free space or raise it',
  XMinioStorageFull: 'the disks of the server are full: free space',
  NotImplemented:
    'the server lacks this part of the S3 protocol (Sconce needs multipart uploads and writes with If-None-Match)',
  NoSuchUpload: 'the upload was ended from outside, say by a lifecycle rule for unfinished ones: send it again',
  ECONNREFUSED: `connection refused: ${UNREACHABLE}`,
  ECONNRESET: `the connection broke: ${UNREACHABLE}`,
  EPIPE: `the connection broke: ${UNREACHABLE}`,
  EHOSTUNREACH: `the server cannot be reached: ${UNREACHABLE}`,
  ENETUNREACH: `the server cannot be reached: ${UNREACHABLE}`,
  ENOTFOUND: 'the host name is unknown: correct the endpoint or the region',
  EAI_AGAIN: 'the host name cannot be resolved at the moment: check the DNS',
  ETIMEDOUT: `the server does not answer: ${UNREACHABLE}`,
  TimeoutError: `the server does not answer in time: ${UNREACHABLE}`,
};

/** Answers to HEAD have no body and so no name. */
const BY_STATUS: Readonly<Record<number, string>> = { 301: REGION, 403: DENIED, 429: BUSY, 503: BUSY };

interface S3Failure {
  /** `NoSuchKey`, …; for a failure below HTTP the system's code. */
  readonly name: string;
  readonly status: number | undefined;
}

/** Name and HTTP status of what the AWS SDK threw. */
export function s3Failure(thrown: unknown): S3Failure {
  if (!(thrown instanceof Error)) return { name: 'unknown', status: undefined };
  const { $metadata: metadata } = thrown as { $metadata?: { httpStatusCode?: number } };
  const status = metadata?.httpStatusCode;
  if (status !== undefined) return { name: thrown.name, status };
  // Several addresses of one host fail together.
  const first = thrown instanceof AggregateError ? (thrown.errors[0] as unknown) : undefined;
  return { name: systemCode(thrown) ?? systemCode(first) ?? thrown.name, status };
}

/**
 * What the AWS SDK threw as SconceError `storage_unavailable`: what failed and what to do. The cause is a plain copy (name,
 * message, request id): the SDK's own error carries the request with its signature and session token, and would take them
 * into the log. A SconceError stays as it is.
 */
export function s3Error(thrown: unknown, what: string): SconceError {
  if (thrown instanceof SconceError) return thrown;
  const { name, status } = s3Failure(thrown);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const advice =
    (Object.hasOwn(ADVICE, name) ? ADVICE[name] : undefined) ??
    (status === undefined ? regionMissing(message) : BY_STATUS[status]);
  return new SconceError('storage_unavailable', `${what}: ${advice ?? (message || name)}`, {
    details: { s3_error: name, ...(status === undefined ? {} : { http_status: status }) },
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
