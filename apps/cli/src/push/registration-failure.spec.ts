import { expect, it } from 'vitest';
import type { ModelVersion } from '@sconce/client';
import { SconceError } from '@sconce/errors';
import { failedVersionOf, registrationFailure } from './registration-failure.ts';

const failed: ModelVersion = {
  name: 'm',
  version: '1',
  status: 'failed',
  platform: 'onnx_onnxv1',
  config: {},
  error: { code: 'model_invalid', message: 'no good' },
  size_bytes: 1,
  created_at: '',
  updated_at: '',
};
const parity = (reason?: string): ModelVersion['parity'] & object => ({
  ok: false,
  calls: 1,
  rtol: 1e-4,
  atol: 1e-5,
  outputs: [
    {
      name: 'y',
      ok: false,
      elements: 1,
      off: 1,
      max_abs: 1,
      max_rel: 1,
      spread_rel: 1,
      reason,
    },
  ],
});

it.each([
  ['outputs that are off', { parity: parity() }, /--tolerance/],
  ['outputs of another shape', { parity: parity('is FP32[2]') }, /cases belong to this model/],
  ['an operator', { error: { code: 'model_invalid', message: 'aten::svd is not supported' } }, /Change these places/],
  ['another reason', {}, /sconce inspect FILE.*config\.json/],
])('a registration that failed because of %s says what to do', (_, over, hint) => {
  const model = { ...failed, ...over };
  const thrown = new SconceError('model_invalid', 'x', { details: { model } });
  expect(failedVersionOf(thrown)).toBe(model);
  expect(registrationFailure(model)).toMatchObject({
    message: model.error?.message,
    details: { hint: expect.stringMatching(hint) },
  });
});

it('other errors are not read as a failed registration', () => {
  expect(failedVersionOf(new SconceError('model_invalid', 'x'))).toBeUndefined();
  expect(failedVersionOf(new SconceError('version_exists', 'x', { details: { model: failed } }))).toBeUndefined();
});
