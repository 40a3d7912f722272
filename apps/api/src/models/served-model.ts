import { SconceError } from '@sconce/errors';
import { requireRunnable, type ModelDirectory, type ReadyManifest } from '@sconce/models';

/** A model that takes requests now. Throws `model_not_found`, `model_not_ready`. */
export async function servedModel(
  directory: Pick<ModelDirectory, 'resolve'>,
  model: string,
  version: string | undefined,
): Promise<ReadyManifest> {
  const resolved = await directory.resolve(model, version);
  const ready = requireRunnable(resolved);
  if (!resolved.loaded) {
    throw new SconceError(
      'model_not_ready',
      `Model "${model}" has been unloaded; POST /v2/repository/models/${model}/load brings it back.`,
    );
  }
  return ready;
}
