import { SconceError, toSconceError, type ErrorCode } from '@sconce/errors';
import { oneLine } from './text.ts';
import { UNSUPPORTED_HINT, unsupportedHeadline, unsupportedOf, unsupportedText } from './unsupported-text.ts';

/** The command was called wrongly: exit code 2. Any other error means that the work failed: exit code 1. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  /** What to do. */
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** What to do about an error, by its code. The message says what was wrong. */
const HINTS: Partial<Record<ErrorCode, string>> = {
  server_unreachable: 'Start a server with `sconce up`, or set SCONCE_URL to the address of a running one.',
  model_not_found: '`sconce models` lists the models of the server.',
  model_not_ready: '`sconce models show NAME` says why.',
  model_invalid: '`sconce inspect FILE` shows what the file contains. Change the model and push it again.',
  version_exists: 'A version never changes: push the file as a new version (without --version: the next number).',
  version_in_use: 'Wait until its work has ended, choose another version with `sconce models use`, or give --force.',
  invalid_tensor: '`sconce models show NAME` prints the inputs of the model.',
  invalid_input: 'The model cannot compute these values; `sconce models show NAME` prints its inputs.',
  inference_failed: 'Check shape and values of the inputs; `sconce models show NAME` prints the inputs of the model.',
  job_not_found: 'Give the id from the answer to the submission. A job is deleted a day after it ends.',
  batch_not_found: '`sconce batches` lists the batches of the server.',
  redis_unavailable: 'Check that Redis runs and answers.',
  queue_full: 'Try again later, when less work waits.',
};

/**
 * Writes two lines: what is wrong, and what to do. For unsupported operators a list of them follows. Returns the exit
 * code.
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
    return `For example ${flags.join(' ')}, with the dtype and sizes of your model; -1 is a free axis.`;
  }
  return HINTS[code] ?? 'Run the command with --help to see its arguments and options.';
}

/** An error for work that failed, with its own hint about what to do. */
export function failure(
  code: ErrorCode,
  message: string,
  { hint, cause }: { readonly hint: string; readonly cause?: unknown },
): SconceError {
  return new SconceError(code, message, { details: { hint }, cause });
}
