import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { describe, expect, it } from 'vitest';
import { cpuClass } from './cpu-class.ts';

describe('cpuClass', () => {
  it('is always the same, and can be the name of a folder', () => {
    expect(cpuClass()).toBe(cpuClass());
    expect(cpuClass()).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
    expect(cpuClass().split('.')[0]).toBe(arch());
  });

  it.runIf(process.platform === 'linux')('names only extensions that this processor has', () => {
    const flags = new Set(readFileSync('/proc/cpuinfo', 'utf8').split(/\s+/));
    const [, ...named] = cpuClass().split('.');
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !flags.has(name))).toEqual([]);
    // The extensions by which kernels are chosen on processors of cloud machines.
    for (const name of ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'amx_tile', 'asimddp', 'i8mm', 'sve'])
      expect(named.includes(name)).toBe(flags.has(name));
  });
});
