import { expect, it } from 'vitest';
import { heldBytesFor, machineLimits, threadsFor } from './machine-limits.ts';

const GIB = 1024 ** 3;
const V2 = '/sys/fs/cgroup/cpu.max';
const QUOTA = '/sys/fs/cgroup/cpu/cpu.cfs_quota_us';
const PERIOD = '/sys/fs/cgroup/cpu/cpu.cfs_period_us';

it.each<[string, Record<string, string>, number, { cpus: number; threads: number; gib: number }]>([
  ['no control groups', {}, 0, { cpus: 8, threads: 8, gib: 32 }],
  ['version 2 without a quota', { [V2]: 'max 100000\n' }, 0, { cpus: 8, threads: 8, gib: 32 }],
  ['a quota of half a CPU', { [V2]: '50000 100000\n' }, GIB, { cpus: 0.5, threads: 1, gib: 1 }],
  ['a quota of one and a half CPUs', { [V2]: '150000 100000' }, 2 * GIB, { cpus: 1.5, threads: 1, gib: 2 }],
  ['a quota of four CPUs', { [V2]: '400000 100000' }, 4 * GIB, { cpus: 4, threads: 4, gib: 4 }],
  ['a quota above the machine', { [V2]: '1600000 100000' }, 64 * GIB, { cpus: 8, threads: 8, gib: 32 }],
  ['version 1 with a quota', { [QUOTA]: '200000\n', [PERIOD]: '100000\n' }, 0, { cpus: 2, threads: 2, gib: 32 }],
  ['version 1 without a quota', { [QUOTA]: '-1\n', [PERIOD]: '100000\n' }, 0, { cpus: 8, threads: 8, gib: 32 }],
])('%s', (_name, files, constrainedBytes, expected) => {
  const limits = machineLimits({ cpus: 8, memoryBytes: 32 * GIB, constrainedBytes }, (path) => files[path]);
  expect({ cpus: limits.cpus, threads: threadsFor(limits), gib: limits.memoryBytes / GIB }).toEqual(expected);
});

it.each([
  [0.25, 1, 32],
  [0.5, 1, 128],
  [1, 1, 384],
  [1, 2, 128],
  [1, 8, 32],
  [24, 1, 2_048],
  [24, 8, 1_408],
])('of %d GiB, each of %i processes holds %i MiB for requests', (gib, shares, mib) => {
  expect(heldBytesFor({ memoryBytes: gib * GIB }, shares)).toBe(mib * 1024 ** 2);
});
