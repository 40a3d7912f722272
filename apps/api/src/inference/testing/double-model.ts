import type { ModelManifest, ModelState } from '@sconce/models';

// For specs of inference.

/** A version that is ready: `z` has the rows of `x` and `y`. */
export const MODEL: ModelManifest = {
  schema: 1,
  name: 'double',
  version: '1',
  status: 'ready',
  platform: 'onnx_onnxv1',
  pool: 'default',
  artifact: { key: 'k', format: 'onnx', size_bytes: 1, sha256: 'a'.repeat(64) },
  upload_id: 'u',
  signature: {
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [-1, 2] },
      { name: 'y', datatype: 'FP32', shape: [-1, 2] },
    ],
    outputs: [{ name: 'z', datatype: 'FP32', shape: [-1, 2] }],
  },
  batch: { axis: 'dynamic', evidence: 'test' },
  config: {},
  created_at: '2026-01-02T03:04:05.678Z',
  updated_at: '2026-01-02T03:04:05.678Z',
};

/** The state of a model that is served. */
export const SERVED: ModelState = { loaded: true, default_version: 'latest', keep_loaded: false };
export const TIMING = { queueMs: 1, batchMs: 2, runMs: 3, batchRows: 4 };
