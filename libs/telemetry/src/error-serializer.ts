import { SconceError } from '@sconce/errors';

/** An error in a log line: with code and details of a SconceError, and with its causes, which only logs contain. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly stack?: string;
  readonly cause?: LoggedError;
  /** The first few errors of an AggregateError. */
  readonly errors?: readonly LoggedError[];
}

const MAX_DEPTH = 5;
const MAX_AGGREGATED = 5;

/** Serialises any thrown value for pino's `err` field, with at most 5 levels of causes. */
export function serializeErrorForLog(thrown: unknown): LoggedError {
  return serialize(thrown, MAX_DEPTH);
}

function serialize(thrown: unknown, depth: number): LoggedError {
  if (!(thrown instanceof Error)) return { type: typeof thrown, message: String(thrown) };
  // Node's system errors have a code too (ECONNREFUSED).
  const code: unknown = 'code' in thrown ? thrown.code : undefined;
  const inner = depth > 1;
  return {
    type: thrown.name,
    message: thrown.message,
    ...(typeof code === 'string' ? { code } : {}),
    ...(thrown instanceof SconceError && Object.keys(thrown.details).length > 0 ? { details: thrown.details } : {}),
    stack: thrown.stack,
    cause: inner && thrown.cause !== undefined ? serialize(thrown.cause, depth - 1) : undefined,
    ...(inner && thrown instanceof AggregateError
      ? { errors: thrown.errors.slice(0, MAX_AGGREGATED).map((error: unknown) => serialize(error, depth - 1)) }
      : {}),
  };
}
