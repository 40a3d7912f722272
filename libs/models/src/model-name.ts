import { SconceError } from '@sconce/errors';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const VERSION = /^[1-9][0-9]{0,9}$/;

/** The highest possible version. */
export const MAX_MODEL_VERSION = 9_999_999_999;

/**
 * Checks a model's name: `^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`, and not `stats`.
 * @throws SconceError `invalid_request` with `param: 'name'`.
 */
export function parseModelName(name: string): string {
  if (name === 'stats') {
    throw refusal(
      'name',
      'the model name "stats" is reserved: GET /v2/models/stats answers the statistics of all models; choose another name',
    );
  }
  if (NAME.test(name)) return name;
  throw refusal(
    'name',
    `the model name ${quote(name)} is not allowed: use 1 to 128 of the characters A-Z a-z 0-9 . _ - and begin with a letter or digit`,
  );
}

/**
 * Checks a version: a positive decimal integer without leading zeros, 10 digits at most (Triton's rule).
 * @throws SconceError `invalid_request` with `param: 'version'`.
 */
export function parseModelVersion(version: string): string {
  if (VERSION.test(version)) return version;
  throw refusal(
    'version',
    `the model version ${quote(version)} is not allowed: use a positive whole number of at most 10 digits without leading zeros, such as "1"`,
  );
}

/** Orders versions as numbers, lowest first. */
export function compareVersions(left: string, right: string): number {
  return Number(left) - Number(right);
}

function quote(text: string): string {
  return JSON.stringify(text.length > 140 ? `${text.slice(0, 140)}…` : text);
}

function refusal(param: string, message: string): SconceError {
  return new SconceError('invalid_request', message, { details: { param } });
}
