import type { Datatype, Tensor } from '@sconce/tensor';
import { rowDeviation } from './compare-rows.ts';
import { pickRows } from './probe-inputs.ts';

/** Rows in different groups may differ by rounding: kernels sum in another order. Relative to the output's magnitude. */
const TOLERANCE: Partial<Record<Datatype, number>> = { FP16: 2e-2, FP32: 1e-4, FP64: 1e-9 };

/** A call, and the numbers of the rows that it holds. */
export interface RowGroup {
  readonly inputs: readonly Tensor[];
  readonly rows: readonly number[];
}

/** How far the rows of a group are from the same rows alone. */
export interface RowComparison {
  /** The largest deviation. */
  readonly worst: number;
  /** The row and output with the largest deviation above the tolerance. */
  readonly beyond?: { readonly row: number; readonly name: string; readonly deviation: number };
}

/** Compares the rows of a group with the same rows alone. Rows that were never run alone are passed over. */
export function compareRowGroup(
  outputs: readonly Tensor[],
  rows: readonly number[],
  alone: readonly (readonly Tensor[])[],
): RowComparison {
  let found: RowComparison = { worst: 0 };
  for (const [index, output] of outputs.entries()) {
    for (const [place, row] of rows.entries()) {
      const expected = alone[row]?.[index];
      if (expected === undefined) continue;
      const deviation = rowDeviation(output, place, expected, 0);
      const worst = Math.max(found.worst, deviation);
      const isBeyond = deviation > (TOLERANCE[output.datatype] ?? 0) && deviation > (found.beyond?.deviation ?? 0);
      found = { ...found, worst, ...(isBeyond ? { beyond: { row, name: output.name, deviation } } : {}) };
    }
  }
  return found;
}

/** One row of an output. */
export function pickRow(output: Tensor, row: number): Tensor {
  return pickRows([output], { rowInputs: new Set([output.name]), shapes: [], range: { low: 0, high: 1, below: 1 } }, [
    row,
  ])[0] as Tensor;
}

/** The one-row outputs of several calls as the outputs of one call. */
export function joinRows(alone: readonly (readonly Tensor[])[]): Tensor[] {
  return (alone[0] ?? []).map((first, index) => ({
    ...first,
    shape: [alone.length, ...first.shape.slice(1)],
    data: new Uint8Array(Buffer.concat(alone.map((outputs) => outputs[index]?.data ?? new Uint8Array()))),
  }));
}
