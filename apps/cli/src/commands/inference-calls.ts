import type { InferOptions, ModelMetadata, SconceClient } from '@sconce/client';
import { SconceError, type ErrorCode } from '@sconce/errors';

// The inference protocol has no error codes: the client takes them from the HTTP status. The commands know more.

/** The metadata of a model. @throws SconceError `model_not_found`; the other errors of the client. */
export function modelMetadata(client: SconceClient, model: string, version?: string): Promise<ModelMetadata> {
  return withCode({ not_found: 'model_not_found' }, client.metadata(model, version));
}

/** Sends one request. @throws SconceError `model_not_found`, `invalid_tensor`, `inference_failed`; the other errors of the client. */
export function infer(
  client: SconceClient,
  model: string,
  {
    request,
    version,
  }: { readonly request: Parameters<SconceClient['infer']>[1]; readonly version?: InferOptions['version'] },
): ReturnType<SconceClient['infer']> {
  const codes = {
    not_found: 'model_not_found',
    invalid_request: 'invalid_tensor',
    internal: 'inference_failed',
  } as const;
  return withCode(codes, client.infer(model, request, { version }));
}

async function withCode<T>(codes: Partial<Record<ErrorCode, ErrorCode>>, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const code = error instanceof SconceError ? codes[error.code] : undefined;
    if (!(error instanceof SconceError) || code === undefined) throw error;
    throw new SconceError(code, error.message, { cause: error });
  }
}
