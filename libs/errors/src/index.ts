export { ERROR_POLICY, type ErrorCode, type ErrorPolicy } from './error-policy.ts';
export {
  SconceError,
  deserializeError,
  toSconceError,
  type ErrorDetails,
  type SerializedError,
} from './sconce-error.ts';
