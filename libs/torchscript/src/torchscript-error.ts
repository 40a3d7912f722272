import { SconceError, type ErrorDetails } from '@sconce/errors';

/** The stage that found the fault in a `.pt` file. It is in the error's details. */
export type TorchScriptStage = 'format' | 'archive' | 'pickle' | 'parse' | 'execute' | 'lower';

/**
 * The error for a `.pt` file that cannot be read or compiled: `model_invalid`, with the stage in its details. The message says what is
 * wrong, where, and what to do.
 */
export function modelError(stage: TorchScriptStage, message: string, details: ErrorDetails = {}): SconceError {
  return new SconceError('model_invalid', message, { details: { stage, ...details } });
}
