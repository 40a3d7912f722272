import { ERROR_POLICY, type ErrorCode } from './error-policy.ts';

/**
 * Machine-readable context of an error. JSON values only: it crosses threads, Redis and HTTP.
 * `param` names the wrong input, field or header; the API shows it to clients.
 */
export interface ErrorDetails {
  readonly param?: string;
  readonly [key: string]: unknown;
}

/** The form in which an error crosses a thread, Redis or a file. */
export interface SerializedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: ErrorDetails;
}

/**
 * The only error type that Sconce's own code throws.
 *
 * Programs match on `code`. `message` is for people: what is wrong, what was expected, what to do.
 */
export class SconceError extends Error {
  override readonly name = 'SconceError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** `{code, message, details}`. The cause is left out: the process that saw it logs it. */
  toJSON(): SerializedError {
    return {
      code: this.code,
      message: this.message,
      ...(Object.keys(this.details).length > 0 ? { details: this.details } : {}),
    };
  }
}

/** Turns any thrown value into a SconceError. Any other value becomes the cause of an error with the code `fallback`. */
export function toSconceError(thrown: unknown, fallback: ErrorCode = 'internal'): SconceError {
  if (thrown instanceof SconceError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SconceError(fallback, message, { cause: thrown });
}

/** Rebuilds an error from its serialised form. An unknown code (from a newer release) becomes `internal`. */
export function deserializeError(value: unknown): SconceError {
  const { code, message, details } = (value ?? {}) as Partial<SerializedError>;
  const known = typeof code === 'string' && Object.hasOwn(ERROR_POLICY, code);
  return new SconceError(known ? code : 'internal', typeof message === 'string' ? message : 'unknown error', {
    details: typeof details === 'object' ? details : undefined,
  });
}
