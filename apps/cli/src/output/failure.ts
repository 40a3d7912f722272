import { SconceError, toSconceError, type ErrorCode } from '@sconce/errors';
import { UNSUPPORTED_HINT, unsupportedHeadline, unsupportedOf, unsupportedText } from './unsupported-text.ts';

/** The command was called wrongly: exit code 2. Anything else that is thrown is failed work: exit code 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** What to do about an error, by code; the message says what was wrong. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  server_unreachable: 'Start one with `sconce up`, or set SCONCE_URL.',
  model_not_found: '`sconce models` lists what there is.',
  model_not_ready: '`sconce models show NAME` says why.',
  model_invalid: '`sconce inspect FILE` shows what the file holds; mend the model and try again.',
  version_exists: 'Versions are immutable: push it as a new one (leave --version out for the next number).',
  version_in_use: 'Wait until nobody uses it, choose another default with `sconce models use`, or give --force.',
  invalid_tensor: '`sconce models show NAME` prints the inputs the model takes.',
  job_not_found: 'Give the id that the submission answered; jobs are forgotten a day after they have ended.',
  batch_not_found: '`sconce batches` lists what there is.',
  redis_unavailable: 'See that Redis runs and answers.',
  queue_full: 'Try again when there is less waiting.',
};

/**
 * Two lines on stderr, what and what to do, and for a model that uses what is not supported the list of it; answers the
 * exit code.
 */
export function reportFailure(thrown: unknown, write: (text: string) => void): 1 | 2 {
  if (thrown instanceof UsageError) {
    write(`error: ${oneLine(thrown.message)}\n${oneLine(thrown.hint)}\n`);
    return 2;
  }
  const error = toSconceError(thrown);
  const unsupported = unsupportedOf(error);
  if (unsupported.length > 0) {
    write(`error: ${unsupportedHeadline(unsupported)}\n${UNSUPPORTED_HINT}\n${unsupportedText(unsupported)}\n`);
    return 1;
  }
  write(`error: ${oneLine(error.message)}\n${hintOf(error)}\n`);
  return 1;
}

function hintOf({ code, details }: SconceError): string {
  const { hint, inputs } = details;
  if (typeof hint === 'string') return hint;
  if (code === 'model_invalid' && Array.isArray(inputs)) {
    const flags = inputs.map((name) => `--input ${String(name)}:float32[-1,10]`);
    return `For example ${flags.join(' ')}, with the dtype and sizes the model takes; -1 is a free axis.`;
  }
  return HINTS[code] ?? 'Run it again with --help for how it is meant to be used.';
}

/** Work that failed, with its own advice. */
export function failure(code: ErrorCode, message: string, hint: string, cause?: unknown): SconceError {
  return new SconceError(code, message, { details: { hint }, cause });
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
