import { SconceError, type ErrorDetails } from '@sconce/errors';

/** The error for an ONNX file that cannot be read: `model_invalid`. The message says what is wrong, where, and what to do. */
export function onnxError(message: string, details: ErrorDetails = {}): SconceError {
  return new SconceError('model_invalid', message, { details: { stage: 'onnx', ...details } });
}
