import { expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { ServedModels, type ServedModelsOptions } from './served-models.ts';

const GONE = new SconceError('model_not_found', 'A file of the model is gone (model.onnx): its version was removed.');
const AWAY = new SconceError('storage_unavailable', 'the storage folder is away');

it.each([
  ['its version was removed', () => Promise.resolve([]), GONE],
  ['the store is away', () => Promise.reject(AWAY), AWAY],
])('a file of a model is gone because %s', async (_, versions, expected) => {
  const forgotten: string[] = [];
  const models = new ServedModels({
    directory: { invalidate: (name: string) => forgotten.push(name) },
    repository: { versions },
  } as unknown as ServedModelsOptions);
  await expect(models.whyGone('m', GONE)).resolves.toBe(expected);
  expect(forgotten).toEqual(['m']);
});
