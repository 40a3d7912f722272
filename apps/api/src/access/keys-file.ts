import { SconceError } from '@sconce/errors';
import type { Settings } from '@sconce/process';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/;

/**
 * The file of API keys; undefined if callers need no key. Everyone who can reach the port can use the API. If other machines can reach it, the operator must
 * decide about keys.
 *
 * @throws SconceError `invalid_request` that names the variable.
 */
export function keysFileOf({
  SCONCE_AUTH,
  SCONCE_KEYS_FILE,
  SCONCE_HOST,
}: Pick<Settings<'api'>, 'SCONCE_AUTH' | 'SCONCE_KEYS_FILE' | 'SCONCE_HOST'>): string | undefined {
  const refuse = (param: string, message: string): SconceError =>
    new SconceError('invalid_request', message, { details: { param } });
  if (SCONCE_AUTH === 'off') return undefined;
  if (SCONCE_KEYS_FILE !== undefined) return SCONCE_KEYS_FILE;
  if (SCONCE_AUTH === 'keys') {
    throw refuse(
      'SCONCE_KEYS_FILE',
      'SCONCE_KEYS_FILE: SCONCE_AUTH=keys requires it. Create keys with `sconce keys create`.',
    );
  }
  if (LOOPBACK.test(SCONCE_HOST)) return undefined;
  throw refuse(
    'SCONCE_HOST',
    `SCONCE_HOST: ${SCONCE_HOST} is no loopback address, and callers need no key. Set SCONCE_KEYS_FILE, or SCONCE_AUTH=off if a proxy in front of the API checks callers.`,
  );
}
