/** A size and the memory that was measured at it, bytes. */
export interface Point {
  readonly size: number;
  readonly bytes: number;
}

/** Sets of powers of the size, the simplest first, and the error up to which each is taken. Memory is measured with some noise. */
const CURVES: readonly { readonly powers: readonly number[]; readonly goodEnough: number }[] = [
  { powers: [0], goodEnough: 0.1 },
  { powers: [1], goodEnough: 0.25 },
  { powers: [2], goodEnough: 0.1 },
  { powers: [1, 2], goodEnough: Infinity },
];

/**
 * The factors a, b, c ≥ 0 of a + b·u + c·u² that describe the points best, where u = size / reference size, and the value is relative to
 * the memory at the reference. The simplest curve that is good enough is taken: one with more powers than the points need goes wild
 * beyond them. No curve has a fixed part beside a growing one, because the factors of several sizes multiply.
 *
 * @param points at least one, the reference among them. One point counts as growth in proportion.
 */
export function fitGrowth(points: readonly Point[], reference: Point): [number, number, number] {
  const scaled = points.map(({ size, bytes }) => ({ u: size / reference.size, y: bytes / reference.bytes }));
  for (const { powers, goodEnough } of CURVES) {
    const solved = scaled.length < 2 ? undefined : solve(scaled, powers);
    if (solved === undefined || solved.some((value) => value < 0)) continue;
    const factors: [number, number, number] = [0, 0, 0];
    for (const [index, power] of powers.entries()) factors[power] = solved[index] ?? 0;
    const at = (u: number): number => factors[0] + factors[1] * u + factors[2] * u * u;
    if (scaled.every(({ u, y }) => Math.abs(at(u) - y) <= goodEnough * y)) return factors;
  }
  return [0, 1, 0];
}

/** Least squares of relative errors by the normal equations; undefined if they have no single solution. */
function solve(
  points: readonly { readonly u: number; readonly y: number }[],
  powers: readonly number[],
): number[] | undefined {
  const rows = points.map(({ u, y }) => powers.map((power) => u ** power / y));
  const n = powers.length;
  const matrix = Array.from({ length: n }, (_, i) => [
    ...Array.from({ length: n }, (__, j) => rows.reduce((sum, row) => sum + (row[i] ?? 0) * (row[j] ?? 0), 0)),
    rows.reduce((sum, row) => sum + (row[i] ?? 0), 0),
  ]);
  for (let column = 0; column < n; column += 1) {
    const pivot = matrix.slice(column).toSorted((a, b) => Math.abs(b[column] ?? 0) - Math.abs(a[column] ?? 0))[0];
    if (pivot === undefined || Math.abs(pivot[column] ?? 0) < 1e-12) return undefined;
    const at = matrix.indexOf(pivot);
    [matrix[column], matrix[at]] = [pivot, matrix[column] ?? []];
    for (const [index, row] of matrix.entries()) {
      if (index === column) continue;
      const times = (row[column] ?? 0) / (pivot[column] ?? 1);
      for (let k = column; k <= n; k += 1) row[k] = (row[k] ?? 0) - times * (pivot[k] ?? 0);
    }
  }
  return matrix.map((row, index) => (row[n] ?? 0) / (row[index] ?? 1));
}
