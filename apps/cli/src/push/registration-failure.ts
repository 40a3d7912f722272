import type { ModelVersion } from '@sconce/client';
import { SconceError } from '@sconce/errors';
import { failure } from '../output/failure.ts';
import { UNSUPPORTED_HINT } from '../output/unsupported-text.ts';

/** The version that failed to register, where that is what was thrown. */
export function failedVersionOf(thrown: unknown): ModelVersion | undefined {
  if (!(thrown instanceof SconceError) || thrown.code !== 'model_invalid') return undefined;
  return thrown.details['model'] as ModelVersion | undefined;
}

/** A registration's failure, with what to do about it. */
export function registrationFailure(model: ModelVersion): SconceError {
  const message = model.error?.message ?? 'Registration failed.';
  return failure('model_invalid', message, hintOf(model, message));
}

function hintOf({ parity, error }: ModelVersion, message: string): string {
  if (parity?.ok === false || error?.code === 'parity_failed') {
    return parity?.outputs.some(({ reason }) => reason !== undefined) === true
      ? 'See that the cases are of this very model; `sconce check FILE CASES` runs them here.'
      : 'Errors far below the spread are rounding: push with --tolerance RTOL,ATOL. Any other is worth a report.';
  }
  if (error?.code === 'unsupported' || /not supported/.test(message)) {
    return `${UNSUPPORTED_HINT} \`sconce inspect FILE\` lists them.`;
  }
  return '`sconce inspect FILE` shows what the file holds; docs/registration.md says what config.json can add.';
}
