import { expect, it } from 'vitest';
import type { ReadyManifest } from '@sconce/models';
import type { TensorSpec } from '@sconce/tensor';
import { expectedAnswerBytes, learnAnswerBytes } from './answer-bytes.ts';
import type { PreparedInference } from './prepared-inference.ts';
import { MODEL } from './testing/double-model.ts';

let uploads = 0;
const output = (name: string, shape: number[], datatype: TensorSpec['datatype'] = 'FP32'): TensorSpec => ({
  ...{ name, datatype, shape },
});
const manifestOf = (outputs: TensorSpec[], more: Partial<ReadyManifest> = {}): ReadyManifest => ({
  ...(MODEL as ReadyManifest),
  upload_id: `answer-bytes-${uploads++}`,
  signature: { inputs: [output('table', [9, 9]), output('x', [-1, 2])], outputs },
  batch: { axis: 'dynamic', evidence: 'test', inputs: ['x'] },
  ...more,
});
/** A request with five rows. */
const requestFor = (manifest: ReadyManifest, outputs = manifest.signature.outputs): PreparedInference => ({
  manifest,
  request: {
    parameters: {},
    inputs: [
      { ...output('table', [9, 9]), data: new Uint8Array(324) },
      { ...output('x', [5, 2]), data: new Uint8Array(40) },
    ],
    outputs: outputs.map(({ name }) => ({ name, binary: true })),
  },
});
const answerOf = (bytes: number): [TensorSpec & { data: Uint8Array }] => [
  { ...output('y', [bytes], 'UINT8'), data: new Uint8Array(bytes) },
];

it('follows from the rows and the signature', () => {
  const manifest = manifestOf([output('y', [-1, 10]), output('z', [-1, 3], 'INT64'), output('n', [-1])]);
  expect(expectedAnswerBytes(requestFor(manifest))).toBe(5 * (40 + 24 + 4));
  expect(expectedAnswerBytes(requestFor(manifest, manifest.signature.outputs.slice(1, 2)))).toBe(5 * 24);
  learnAnswerBytes(manifest, answerOf(1_000));
  expect(expectedAnswerBytes(requestFor(manifest))).toBe(5 * (40 + 24 + 4));
});

it('is that of whole outputs if rows are not independent', () => {
  const manifest = manifestOf([output('y', [4, 10])], { batch: { axis: 'none', evidence: 'test' } });
  expect(expectedAnswerBytes(requestFor(manifest))).toBe(160);
});

it.each([
  ['a free axis', output('y', [-1, -1])],
  ['texts', output('y', [-1, 4], 'BYTES')],
])('with %s it follows from the latest answers, which other copies of the manifest know too', (_, open) => {
  const manifest = manifestOf([output('z', [-1, 10]), open]);
  const next = requestFor({ ...manifest });
  expect(expectedAnswerBytes(next)).toBe(0);
  for (let n = 0; n < 50; n++) expect(learnAnswerBytes(manifest, answerOf(8_000))).toBe(8_000);
  expect(expectedAnswerBytes(next)).toBeCloseTo(8_000, -2);
  for (let n = 0; n < 50; n++) learnAnswerBytes(manifest, answerOf(80));
  expect(expectedAnswerBytes(next)).toBeLessThan(200);
});
