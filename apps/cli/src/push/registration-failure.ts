import type { ModelVersion } from '@sconce/client';
import { SconceError } from '@sconce/errors';
import { failure } from '../output/failure.ts';
import { UNSUPPORTED_HINT } from '../output/unsupported-text.ts';

/** The version that failed to register, if the error is about a failed registration. */
export function failedVersionOf(thrown: unknown): ModelVersion | undefined {
  if (!(thrown instanceof SconceError) || thrown.code !== 'model_invalid') return undefined;
  return thrown.details['model'] as ModelVersion | undefined;
}

/** The error for a failed registration, with a hint about what to do. */
export function registrationFailure(model: ModelVersion): SconceError {
  const message = model.error?.message ?? 'Registration failed.';
  return failure('model_invalid', message, { hint: hintOf(model, message) });
}

function hintOf({ parity, error }: ModelVersion, message: string): string {
  if (parity?.ok === false || error?.code === 'parity_failed') {
    return parity?.outputs.some(({ reason }) => reason !== undefined) === true
      ? 'Check that the cases belong to this model: `sconce check FILE CASES` runs them on this machine.'
      : 'Errors far below the spread are rounding: push with --tolerance RTOL,ATOL. Please report larger ones.';
  }
  if (error?.code === 'unsupported' || /not supported/.test(message)) {
    return `${UNSUPPORTED_HINT} \`sconce inspect FILE\` lists them.`;
  }
  return '`sconce inspect FILE` shows what the file contains; docs/registration.md says what config.json can add.';
}
