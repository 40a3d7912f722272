import { Metadata, status, type ServerErrorResponse } from '@grpc/grpc-js';
import { ERROR_POLICY, toSconceError, type ErrorCode, type SconceError } from '@sconce/errors';

/** The status of an error by the HTTP status of its policy, as Google's APIs map them. */
const STATUS_BY_HTTP: Readonly<Record<number, status>> = {
  400: status.INVALID_ARGUMENT,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.NOT_FOUND,
  405: status.UNIMPLEMENTED,
  408: status.DEADLINE_EXCEEDED,
  409: status.FAILED_PRECONDITION,
  413: status.RESOURCE_EXHAUSTED,
  415: status.INVALID_ARGUMENT,
  422: status.INVALID_ARGUMENT,
  429: status.RESOURCE_EXHAUSTED,
  500: status.INTERNAL,
  501: status.UNIMPLEMENTED,
  503: status.UNAVAILABLE,
  504: status.DEADLINE_EXCEEDED,
};

/** Codes that gRPC has a status of its own for. */
const STATUS_BY_CODE: Readonly<Partial<Record<ErrorCode, status>>> = {
  job_cancelled: status.CANCELLED,
  version_exists: status.ALREADY_EXISTS,
};

/** The status of an error code. */
export function statusOf(code: ErrorCode): status {
  return STATUS_BY_CODE[code] ?? STATUS_BY_HTTP[ERROR_POLICY[code].http] ?? status.UNKNOWN;
}

/** The name of a status, as metrics and spans have it: `OK`, `NOT_FOUND`. */
export function statusName(code: status): string {
  return status[code] ?? 'UNKNOWN';
}

/** The message of an error for callers. An internal error may quote internals, so the log alone has its message. */
export function publicMessage(error: SconceError): string {
  return error.code === 'internal' ? 'Internal error; the log has the details.' : error.message;
}

/** The answer for a thrown value. `retry-after` is in its metadata, in seconds, if the caller should wait. */
export function failedCall(
  thrown: unknown,
): ServerErrorResponse & { readonly code: status; readonly error: SconceError } {
  const error = toSconceError(thrown);
  const metadata = new Metadata();
  const retryAfter = error.details['retryAfterSeconds'];
  if (typeof retryAfter === 'number') metadata.set('retry-after', String(retryAfter));
  const details = publicMessage(error);
  return { name: 'GrpcError', message: details, code: statusOf(error.code), details, metadata, error };
}
