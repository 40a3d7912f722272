import { sameDim, SymInt, type Dim } from '../symbolic/sym-int.ts';
import type { Scalar, TensorValue } from '../symbolic/values.ts';
import type { LowerContext } from '../symbolic/lower-context.ts';

/** A size as a number of the program. */
export function toScalar(dim: Dim): Scalar {
  return dim instanceof SymInt ? dim : BigInt(dim);
}

/** An integer of the program as a size; undefined for floats, and for truth values that are known only at run time. */
export function toDim(scalar: Scalar | undefined): Dim | undefined {
  if (scalar instanceof SymInt) return scalar;
  return typeof scalar === 'bigint' || typeof scalar === 'boolean' ? Number(scalar) : undefined;
}

/** A tensor's elements as sizes; undefined unless all are known to be integers. */
export function dimsOf(context: LowerContext, tensor: TensorValue): Dim[] | undefined {
  const dims = context.elementsOf(tensor)?.map(toDim);
  return dims?.every((dim) => dim !== undefined) === true ? dims : undefined;
}

/** The best known of sizes that must be equal: a number, if one of them is a number. */
export function knownDim(...dims: readonly Dim[]): Dim {
  return dims.find((dim) => typeof dim === 'number') ?? dims[0] ?? 1;
}

/** Whether two shapes are known to be equal. */
export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((dim, i) => sameDim(dim, b[i] ?? -1));
}

/** 0, 1, …, `count` - 1. */
export function rangeOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
