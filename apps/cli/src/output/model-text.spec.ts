import { describe, expect, it } from 'vitest';
import type { ModelVersion } from '@sconce/client';
import { describeModel } from './model-text.ts';

const received: ModelVersion = {
  name: 'digits',
  version: '2',
  status: 'compiling',
  platform: 'pytorch_torchscript',
  config: {},
  size_bytes: 63_000,
  created_at: '2026-11-01T00:00:00.000Z',
  updated_at: '2026-11-01T00:00:00.000Z',
};
const ready: ModelVersion = {
  ...received,
  status: 'ready',
  signature: {
    inputs: [{ name: 'pixels', datatype: 'FP32', shape: [-1, 64] }],
    outputs: [{ name: 'scores', datatype: 'FP32', shape: [-1, 10] }],
  },
  batch: {
    axis: 'dynamic',
    evidence: 'rows alone and together agree',
    inputs: ['pixels'],
    sizes: [1, 2, 7],
    max_deviation: 1.23e-7,
  },
  warnings: ['aten::sort: ties may\ncome in another order'],
  parity: {
    ok: true,
    calls: 3,
    rtol: 1e-4,
    atol: 1e-5,
    outputs: [{ name: 'scores', ok: true, elements: 30, off: 0, max_abs: 6e-8, max_rel: 2.4e-7, spread_rel: 0 }],
  },
  optimised: { cpu_class: 'x64-avx512', runtime: '1.24.1', size_bytes: 70_000 },
  performance: {
    load_ms: 12.34,
    memory_bytes: 3_145_728,
    batch_sizes: [
      { rows: 1, latency_ms: 0.0512, rows_per_s: 19_531 },
      { rows: 8, latency_ms: 0.1, rows_per_s: 80_000 },
      { rows: 64, latency_ms: 123.4, rows_per_s: 518.6 },
    ],
    best_rows: 8,
    run_memory: {
      bytes: 16_777_216,
      growth: [
        { axes: [{ input: 'pixels', axis: 1 }], rows: false, size: 512, largest: 2_048, factor: [0, 0, 1] },
        { axes: [{ input: 'pixels', axis: 0 }], rows: true, size: 2, largest: 16, factor: [0, 1, 0] },
      ],
    },
    spread: { threads: 2, rows: 8, latency_ms: 3.4, rows_per_s: 2_353, chosen: true },
  },
};

describe('describeModel', () => {
  it('says that a version is in quarantine, why, and how to end it', () => {
    expect(describeModel({ ...ready, quarantined: '2 runs hung' })).toMatch(
      /^digits version 2: quarantined, .*\n  why     2 runs hung; `sconce models load digits` lets it run again\n/,
    );
  });

  it('says that a compiled archive was not compared, and how to compare it', () => {
    const { parity: _, ...unchecked } = ready;
    expect(describeModel(unchecked)).toMatch(/\n {2}parity {2}not checked: [^]*--cases FILE/);
    expect(describeModel({ ...unchecked, platform: 'onnx_onnxv1' })).not.toContain('parity');
    expect(describeModel({ ...unchecked, status: 'compiling' })).not.toContain('parity');
  });

  it('prints everything that registration found out', () => {
    expect(describeModel(ready)).toBe(
      `digits version 2: ready, pytorch_torchscript, 61.5 KiB
  input   pixels  FP32[-1,64]
  output  scores  FP32[-1,10]
  batch   dynamic: rows alone and together agree
          rows are axis 0 of pixels; tried with 1, 2, 7 rows; largest deviation 1.2e-7
  parity  ok: 3 calls against PyTorch’s outputs, rtol 0.0001, atol 0.00001
          OUTPUT  MAX ABS  MAX REL  OF SPREAD
          scores  6.0e-8   2.4e-7   0          ok
  warning aten::sort: ties may come in another order
  saved   68.4 KiB (artifact 61.5 KiB), as ONNX Runtime 1.24.1 optimised it
          for x64-avx512
  load    12 ms, 3.0 MiB per thread
  memory  16.0 MiB for a run with pixels axis 1 = 512, rows = 2
          grows with the square of pixels axis 1, with rows
  speed   one thread
          ROWS     MS  ROWS/S
             1  0.051  19,531
             8    0.1  80,000  best
            64    123     519
          2 threads in one run: 8 rows in 3.4 ms, 2,353 rows/s; workers run it this way`,
    );
  });

  it('says that sizes do not bound the time of a run', () => {
    expect(describeModel({ ...received, unbounded: true })).toMatch(
      /\n  loops   values of the inputs decide .* budget\.run_ms/,
    );
  });

  it('does not repeat facts that the evidence text has', () => {
    const evidence = 'rows run together (2, 7) agree: largest deviation 0.0e+0';
    const batch = { axis: 'dynamic', evidence, inputs: ['x'], sizes: [2, 7], max_deviation: 0 } as const;
    expect(describeModel({ ...received, batch })).toMatch(/deviation 0\.0e\+0\n {10}rows are axis 0 of x$/);
  });

  it('prints only the known facts of a version that is not ready', () => {
    expect(describeModel(received)).toBe('digits version 2: compiling, pytorch_torchscript, 61.5 KiB');
  });

  it.each([
    [
      'a locked size, with the line that causes it',
      { axis: 'locked', size: 8, evidence: 'a trace', source: 'model.py:7: x.view(8, -1)' },
      /locked \(8 rows a run\): a trace\n {10}because of model\.py:7: x\.view\(8, -1\)$/,
    ],
    ['none', { axis: 'none', evidence: 'rows mix' }, /batch {3}none: rows mix$/],
  ] as [string, ModelVersion['batch'] & object, RegExp][])('shows a batch axis of %s', (_, batch, text) => {
    expect(describeModel({ ...received, batch })).toMatch(text);
  });

  it('shows which outputs are off, and why', () => {
    const number = { ok: false, elements: 30, off: 4, max_abs: null, max_rel: 1, spread_rel: 0.5 };
    const shape = { ok: false, elements: 0, off: 0, max_abs: 0, max_rel: 0, spread_rel: 0, reason: 'is FP32[2]' };
    const fine = { ok: true, elements: 1, off: 0, max_abs: 0, max_rel: 0, spread_rel: null };
    const outputs = [
      { name: 'a', ...number },
      { name: 'b', ...shape },
      { name: 'c', ...fine },
    ];
    const text = describeModel({ ...received, parity: { ok: false, calls: 1, rtol: 1e-4, atol: 1e-5, outputs } });
    expect(text).toMatch(/parity {2}2 of 3 outputs off: 1 call against/);
    expect(text).toMatch(/a +\? +1\.0e\+0 +5\.0e-1 +4 of 30 off\n/);
    expect(text).toMatch(/b +- +- +- +is FP32\[2\]\n/);
    expect(text).toMatch(/c +0 +0 +\? +ok$/);
  });

  it('shows why registration failed', () => {
    const error = { code: 'model_invalid', message: 'no such op' };
    expect(describeModel({ ...received, status: 'failed', error })).toMatch(
      /\n {2}error {3}no such op \(model_invalid\)$/,
    );
  });
});
