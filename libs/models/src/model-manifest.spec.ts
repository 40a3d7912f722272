import { describe, expect, it } from 'vitest';
import type { ModelStatus } from '@sconce/contracts';
import { modelManifestSchema, requireReady, toModelVersion, type ModelManifest } from './index.ts';
import { checkTransition, isLegalTransition } from './model-status.ts';

const at = '2026-01-02T03:04:05.678Z';
const signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [{ name: 'y', datatype: 'INT64', shape: [-1] }],
} as const;
const ready: ModelManifest = {
  schema: 1,
  name: 'm',
  version: '1',
  status: 'ready',
  platform: 'onnx_onnxv1',
  pool: 'default',
  artifact: { key: 'models/m/1/artifact.onnx', format: 'onnx', size_bytes: 5, sha256: 'a'.repeat(64) },
  upload_id: 'u',
  signature,
  batch: { axis: 'locked', size: 4, evidence: 'the trace baked 4 in' },
  config: { max_batch_size: 8 },
  created_at: at,
  updated_at: at,
};
const failed: ModelManifest = { ...ready, status: 'failed', error: { code: 'model_invalid', message: 'no such op' } };

describe('modelManifestSchema', () => {
  it('accepts a complete manifest, also through JSON', () => {
    for (const manifest of [ready, failed]) {
      expect(modelManifestSchema.parse(JSON.parse(JSON.stringify(manifest)))).toEqual(manifest);
    }
  });

  it.each<[string, object]>([
    ['an unknown field', { extra: 1 }],
    ['another schema', { schema: 2 }],
    ['an unknown status', { status: 'done' }],
    ['ready without a signature', { signature: undefined }],
    ['failed without an error', { status: 'failed' }],
    ['an error without failed', { error: { code: 'c', message: 'm' } }],
    ['an unknown datatype', { signature: { ...signature, inputs: [{ name: 'x', datatype: 'FP8', shape: [] }] } }],
    ['an axis below -1', { signature: { ...signature, inputs: [{ name: 'x', datatype: 'FP32', shape: [-2] }] } }],
    ['locked without a size', { batch: { axis: 'locked', evidence: '' } }],
    ['dynamic with a size', { batch: { axis: 'dynamic', size: 2, evidence: '' } }],
    ['a broken hash', { artifact: { ...ready.artifact, sha256: 'A'.repeat(64) } }],
    ['no hash', { artifact: { ...ready.artifact, sha256: '' } }],
    ['a broken time', { updated_at: 'yesterday' }],
    ['a batch size that is none', { config: { max_batch_size: -1 } }],
    ['a check without its digest', { check: { key: 'k', sha256: '', size_bytes: 1 } }],
  ])('refuses %s', (_, patch) => {
    expect(modelManifestSchema.safeParse({ ...ready, ...patch }).success).toBe(false);
  });
});

describe('toModelVersion', () => {
  it('shows only the fields for clients', () => {
    expect(toModelVersion(ready)).toEqual({
      name: 'm',
      version: '1',
      status: 'ready',
      platform: 'onnx_onnxv1',
      signature,
      batch: ready.batch,
      config: ready.config,
      size_bytes: 5,
      created_at: at,
      updated_at: at,
    });
    expect(toModelVersion(failed)).toMatchObject({ status: 'failed', error: failed.error });
  });
});

describe('requireReady', () => {
  it('returns a ready manifest and refuses others with the reason', () => {
    expect(requireReady(ready)).toEqual(ready);
    const refused =
      (manifest: ModelManifest): (() => unknown) =>
      () =>
        requireReady(manifest);
    expect(refused({ ...ready, status: 'proving' })).toThrow(expect.objectContaining({ code: 'model_not_ready' }));
    expect(refused({ ...ready, status: 'proving' })).toThrow('proving');
    expect(refused(failed)).toThrow(expect.objectContaining({ code: 'model_not_ready' }));
    expect(refused(failed)).toThrow('no such op');
  });
});

describe('status transitions', () => {
  const all: readonly ModelStatus[] = ['receiving', 'compiling', 'proving', 'optimising', 'ready', 'failed'];
  it.each<[ModelStatus, readonly ModelStatus[]]>([
    ['receiving', ['receiving', 'compiling', 'failed']],
    ['compiling', ['compiling', 'proving', 'optimising', 'ready', 'failed']],
    ['proving', ['compiling', 'proving', 'optimising', 'ready', 'failed']],
    ['optimising', ['compiling', 'optimising', 'ready', 'failed']],
    ['ready', ['ready']],
    ['failed', ['failed']],
  ])('%s may become %j', (from, legal) => {
    expect(all.filter((to) => isLegalTransition(from, to))).toEqual(legal);
  });

  it('keeps the signature of a ready version', () => {
    expect(() => checkTransition(ready, { ...ready, signature: { ...signature, outputs: [] } })).toThrow(
      'signature is fixed',
    );
    expect(() => checkTransition(ready, { ...ready, pool: 'gpu' })).not.toThrow();
  });
});
