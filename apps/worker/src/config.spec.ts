import { describe, expect, it } from 'vitest';
import { memoryShares, readConfig } from './config.ts';

const MIB = 1024 ** 2;
const GIB = 1024 * MIB;

describe('memoryShares', () => {
  it.each<[string, Parameters<typeof memoryShares>, { registration: number; model: number; from?: string }]>([
    ['a machine', [{ threads: 2, memoryBytes: 24 * GIB }], { registration: 12_032, model: 2_048 }],
    [
      'a pod',
      [{ threads: 2, memoryBytes: 2 * GIB }],
      {
        registration: 768,
        model: 384,
        from: '(2048 MiB of memory − 512 MiB of the worker’s own − 768 MiB for registrations) / 2 threads = 384 MiB',
      },
    ],
    [
      'a pod that registers little',
      [{ threads: 1, memoryBytes: GIB }, { registrationBytes: 128 * MIB }],
      {
        registration: 128,
        model: 384,
        from: '(1024 MiB of memory − 512 MiB of the worker’s own − 128 MiB for registrations) / 1 threads = 384 MiB',
      },
    ],
    [
      'a given share of models',
      [{ threads: 2, memoryBytes: 2 * GIB }, { modelBytesPerThread: 700 * MIB }],
      { registration: 768, model: 700 },
    ],
  ])('%s', (_name, [machine, given], { registration, model, from }) => {
    const shares = memoryShares(machine, given);
    expect(Math.floor(shares.registrationBytes / MIB)).toBe(registration);
    expect(Math.floor(shares.maxModelBytesPerThread / MIB)).toBe(model);
    expect(shares.modelBudgetFrom).toBe(from);
  });
});

it('uses the machine and the settings', () => {
  expect(readConfig({ SCONCE_THREADS: '3' })).toMatchObject({
    runtime: { threads: 3 },
    concurrency: { online: 12, batch: 12 },
  });
  expect(() => readConfig({ SCONCE_THREDS: '3' })).toThrow(/SCONCE_THREDS/);
});
