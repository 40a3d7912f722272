import { readFileSync } from 'node:fs';
import { arch } from 'node:os';
import { describe, expect, it } from 'vitest';
import { cpuClass } from './cpu-class.ts';

describe('cpuClass', () => {
  it('is the same each time, and a name for a folder', () => {
    expect(cpuClass()).toBe(cpuClass());
    expect(cpuClass()).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);
    expect(cpuClass().split('.')[0]).toBe(arch());
  });

  it.runIf(process.platform === 'linux')('names what this processor has, and nothing that it has not', () => {
    const flags = new Set(readFileSync('/proc/cpuinfo', 'utf8').split(/\s+/));
    const [, ...named] = cpuClass().split('.');
    expect(named.length).toBeGreaterThan(0);
    expect(named.filter((name) => !flags.has(name))).toEqual([]);
    // What kernels are chosen by on the processors that clouds have.
    for (const name of ['avx2', 'fma', 'avx512f', 'avx512_vnni', 'amx_tile', 'asimddp', 'i8mm', 'sve'])
      expect(named.includes(name)).toBe(flags.has(name));
  });
});
