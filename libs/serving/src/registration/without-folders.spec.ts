import { expect, it } from 'vitest';
import { SconceError } from '@sconce/errors';
import { withoutFolders } from './without-folders.ts';

const FOLDERS = ['/tmp', '/tmp/sconce-registration-Ab1', '/data/blobs/models/m/versions/1'];

it.each([
  ['Load model from /tmp/sconce-registration-Ab1/model.onnx failed', 'Load model from model.onnx failed'],
  ["ENOENT: open '/data/blobs/models/m/versions/1/artifact.pt'", "ENOENT: open 'artifact.pt'"],
  ['no space in /tmp/sconce-registration-Ab1: free some', 'no space in its folder: free some'],
  ['node /encoder/layer.0/MatMul takes [1,2]', 'node /encoder/layer.0/MatMul takes [1,2]'],
])('%s', (message, expected) => {
  const error = withoutFolders(new SconceError('model_invalid', message, { details: { param: 'x' } }), FOLDERS);
  expect(error).toMatchObject({ code: 'model_invalid', message: expected, details: { param: 'x' } });
  const other = withoutFolders(new Error(message), FOLDERS);
  expect(other).toMatchObject({ code: 'internal', message: expected });
});

it('leaves an error without folders as it is', () => {
  const error = new SconceError('model_invalid', 'wrong');
  expect(withoutFolders(error, FOLDERS)).toBe(error);
});
