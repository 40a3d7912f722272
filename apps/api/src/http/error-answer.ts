import type { FastifyReply, FastifyRequest } from 'fastify';
import { ERROR_POLICY, SconceError, toSconceError, type ErrorCode } from '@sconce/errors';
import type { Logger } from '@sconce/telemetry';
import { requestTraceFields } from './request-trace.ts';

/** Codes for errors of Fastify and Nest, by HTTP status. */
const CODE_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
};

/** An HTTP request that failed. */
export interface FailedRequest {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** The thrown value. A value that has the HTTP status `statusCode` but is no SconceError keeps that kind of status. */
  readonly thrown: unknown;
}

/**
 * Logs a thrown value and answers with its error body: for `/v2` in the form of the Open Inference Protocol
 * (`{"error": "…"}`), for all other routes as OpenAI's clients parse it (`{"error": {message, type, code, param}}`).
 */
export function answerError({ request, reply, thrown }: FailedRequest, logger: Logger): void {
  if (reply.raw.destroyed && isHangUp(thrown)) {
    logger.debug({ err: thrown, url: request.url }, 'the caller has gone');
    return;
  }
  const error = asSconceError(thrown);
  const { http: status, logLevel } = ERROR_POLICY[error.code];
  const about = { method: request.method, url: request.url, ...requestTraceFields(request) };
  logger[logLevel]({ err: error, ...about }, 'request failed');
  if (reply.raw.headersSent || reply.sent) {
    reply.raw.destroy();
    return;
  }
  // The rest of the body may never come.
  if (error.code === 'request_timeout') reply.header('connection', 'close');
  const { retryAfterSeconds: retryAfter, allow } = error.details;
  if (typeof retryAfter === 'number') reply.header('retry-after', String(retryAfter));
  if (typeof allow === 'string') reply.header('allow', allow);
  void reply
    .status(status)
    .header('content-type', 'application/json; charset=utf-8')
    .send(errorBody(request.url, error, status));
}

/** What streams throw when the other side closes the connection. */
const HANG_UPS: ReadonlySet<unknown> = new Set(['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'EPIPE', 'ABORT_ERR']);

/** Whether an error comes from a caller that has closed its connection. Nobody reads an answer to it, and nobody is at fault. */
function isHangUp(thrown: unknown): boolean {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if (HANG_UPS.has((error as NodeJS.ErrnoException).code)) return true;
  }
  return false;
}

/** OpenAI's names for kinds of errors. */
const TYPE_BY_STATUS: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};

/** The body for a failed request to `url`. */
export function errorBody(url: string, error: SconceError, status: number): string {
  // An internal error may quote internals. The log has the whole message.
  const message = error.code === 'internal' ? 'Internal error; the log has the details.' : error.message;
  if (/^\/v2(\/|\?|$)/.test(url)) return JSON.stringify({ error: message });
  const type = TYPE_BY_STATUS[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error');
  return JSON.stringify({ error: { message, type, code: error.code, param: error.details.param ?? null } });
}

function asSconceError(thrown: unknown): SconceError {
  if (thrown instanceof SconceError) return thrown;
  const status = (thrown as { statusCode?: number } | undefined)?.statusCode;
  const code = status === undefined ? undefined : CODE_BY_STATUS[status];
  if (code !== undefined) return new SconceError(code, (thrown as Error).message, { cause: thrown });
  if (status !== undefined && status >= 400 && status < 500) {
    return new SconceError('invalid_request', (thrown as Error).message, { cause: thrown });
  }
  return toSconceError(thrown);
}
