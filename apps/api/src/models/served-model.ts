import { SconceError } from '@sconce/errors';
import { requireRunnable, type ModelDirectory, type ReadyManifest, type ResolvedModel } from '@sconce/models';

/** A model that takes requests now. Throws `model_not_found`, `model_not_ready`. */
export async function servedModel(
  directory: Pick<ModelDirectory, 'resolve'>,
  model: string,
  version: string | undefined,
): Promise<ReadyManifest> {
  return requireServed(await directory.resolve(model, version));
}

/** The manifest, if the model takes requests now. Throws `model_not_ready`. */
export function requireServed(resolved: ResolvedModel): ReadyManifest {
  const ready = requireRunnable(resolved);
  if (!resolved.loaded) {
    throw new SconceError(
      'model_not_ready',
      `Model "${ready.name}" has been unloaded; POST /v2/repository/models/${ready.name}/load brings it back.`,
    );
  }
  return ready;
}
