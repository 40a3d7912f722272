import type { ScalarType } from '../scalar-type.ts';

const INTEGER_BITS: Readonly<Partial<Record<ScalarType, bigint>>> = { int8: 8n, int16: 16n, int32: 32n, int64: 64n };

/** The smallest number of a dtype; -Infinity for floats. */
export function lowestOf(dtype: ScalarType): number | bigint {
  const bits = INTEGER_BITS[dtype];
  if (bits !== undefined) return -(2n ** (bits - 1n));
  return dtype === 'uint8' || dtype === 'bool' ? 0n : -Infinity;
}

/** The largest number of a dtype; Infinity for floats. */
export function highestOf(dtype: ScalarType): number | bigint {
  const bits = INTEGER_BITS[dtype];
  if (bits !== undefined) return 2n ** (bits - 1n) - 1n;
  return dtype === 'uint8' ? 255n : dtype === 'bool' ? 1n : Infinity;
}
