import { SconceError } from '@sconce/errors';

/** The error `invalid_request` about one field, header or part of a form. */
export function invalidRequest(param: string, message: string): SconceError {
  return new SconceError('invalid_request', message, { details: { param } });
}
