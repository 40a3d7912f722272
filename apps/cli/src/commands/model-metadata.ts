import type { ModelMetadata, SconceClient } from '@sconce/client';
import { SconceError } from '@sconce/errors';

/**
 * The metadata of a model. The inference protocol has no error codes, so its 404 is reported as `model_not_found` here.
 *
 * @throws SconceError `model_not_found`; the other errors of the client.
 */
export async function modelMetadata(client: SconceClient, model: string, version?: string): Promise<ModelMetadata> {
  try {
    return await client.metadata(model, version);
  } catch (error) {
    if (!(error instanceof SconceError) || error.code !== 'not_found') throw error;
    throw new SconceError('model_not_found', error.message, { cause: error });
  }
}
