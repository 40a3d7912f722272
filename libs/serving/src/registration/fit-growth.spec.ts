import { describe, expect, it } from 'vitest';
import { fitGrowth } from './fit-growth.ts';

const REFERENCE = 64;

/** The factors for memory that follows `bytes` at these sizes, with some noise. */
function fitted(bytes: (size: number) => number, sizes: readonly number[] = [16, 32, 64, 128, 256, 512]): number[] {
  const noise = [1.01, 0.99, 1, 1.01, 1, 0.99];
  const points = sizes.map((size, i) => ({ size, bytes: bytes(size) * (noise[i] ?? 1) }));
  return fitGrowth(points, { size: REFERENCE, bytes: bytes(REFERENCE) });
}

function at([a = 0, b = 0, c = 0]: readonly number[], size: number): number {
  const u = size / REFERENCE;
  return a + b * u + c * u * u;
}

describe('the growth of memory with a size', () => {
  it.each<[what: string, bytes: (size: number) => number]>([
    ['is linear', (n) => 1_000 * n],
    ['is linear with a small fixed part', (n) => 1_000 * n + 1_000],
    ['is fixed', () => 5_000],
    ['is quadratic', (n) => 40 * n * n],
    ['is quadratic with a linear part', (n) => 40 * n * n + 3_000 * n],
    ['is quadratic with a small fixed part', (n) => 40 * n * n + 10_000],
  ])('%s, and is foretold far beyond what was measured', (_, bytes) => {
    const factors = fitted(bytes);
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(0);
    for (const size of [8, 64, 512, 30_000]) {
      const expected = bytes(size) / bytes(REFERENCE);
      if (size >= 64) expect(at(factors, size) / expected).toBeGreaterThan(0.85);
      expect(at(factors, size) / expected).toBeLessThan(1.2);
    }
  });

  it('is not taken for a square because of noise', () => {
    const points = [1.2, 1, 0.9, 1.15].map((noise, i) => ({ size: 32 * 2 ** i, bytes: 32 * 2 ** i * noise }));
    expect(fitGrowth(points, points[1]!)[2]).toBe(0);
  });

  it('is taken to be in proportion when there is one point', () => {
    expect(fitted((n) => n, [64])).toEqual([0, 1, 0]);
  });
});
