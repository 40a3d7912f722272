import type { Emitter } from '../symbolic/emitter.ts';
import { exactQuotient, minimumOf, productOf, type Dim } from '../symbolic/sym-int.ts';
import { TensorValue, type SymBool, type Value } from '../symbolic/values.ts';

/** A size that is 0 if the truth value is `holds`. Undefined if there is none. */
function emptyIf({ condition }: SymBool, holds: boolean): Dim | undefined {
  if (condition.kind === 'not') return emptyIf(condition.of, !holds);
  if (condition.kind === 'value') return undefined;
  const { op, a, b } = condition;
  const size = (dim: Dim): Dim | undefined => (minimumOf(dim) >= 0 ? dim : undefined);
  if (op === 'eq') return !holds ? undefined : a === 0 ? size(b) : b === 0 ? size(a) : undefined;
  // `size > 0` is `0 < size`, and `size >= 1` is `1 <= size`.
  if (!holds) return a === (op === 'lt' ? 0 : 1) ? size(b) : undefined;
  return b === (op === 'lt' ? 1 : 0) ? size(a) : undefined;
}

/** Whether a tensor has no elements if `size` is 0. */
function holdsNothing(tensor: TensorValue, size: Dim): boolean {
  return exactQuotient(productOf(tensor.content.shape), size) !== undefined;
}

/** `shape` with sizes that the other way knows, without elements if `size` is 0. */
function emptyShape(shape: readonly Dim[], size: Dim, depth: number): Dim[] {
  const isPlain = (dim: Dim): boolean =>
    typeof dim === 'number' ||
    dim.terms.every(({ atoms }) => atoms.every((atom) => atom.definition.kind === 'size' && atom.depth <= depth));
  const known = shape.map((dim) => (isPlain(dim) ? dim : 0));
  const isEmpty = known.some((dim) => dim === 0 || (typeof dim !== 'number' && exactQuotient(dim, size) !== undefined));
  return isEmpty ? known : known.with(0, 0);
}

/** The value of a variable after each way of an `if`. */
export interface Ways {
  readonly then: Value;
  readonly otherwise: Value;
}

/**
 * If the tensors of two ways have different ranks, and one of them has no elements because the test says so (`if count > 0`), gives that
 * one the shape of the other. `within` runs a function in the graph of a way. Undefined if this is not so.
 */
export function alikeIfEmpty(
  emitter: Emitter,
  test: SymBool,
  { then, otherwise }: Ways,
  within: (way: keyof Ways, make: () => TensorValue) => TensorValue,
): Ways | undefined {
  if (!(then instanceof TensorValue) || !(otherwise instanceof TensorValue) || then.rank === otherwise.rank) {
    return undefined;
  }
  const reshaped = (way: keyof Ways, empty: TensorValue, like: TensorValue, size: Dim): TensorValue => {
    const shape = emptyShape(like.content.shape, size, emitter.depth);
    return within(way, () =>
      emitter.node('Reshape', [empty, emitter.ints(shape)], {
        shape,
        attributes: { allowzero: { int: 1 } },
        adapt: false,
      }),
    );
  };
  if (then.rank === 0 || otherwise.rank === 0) return undefined;
  const noElse = emptyIf(test, false);
  if (noElse !== undefined && holdsNothing(otherwise, noElse)) {
    return { then, otherwise: reshaped('otherwise', otherwise, then, noElse) };
  }
  const noThen = emptyIf(test, true);
  if (noThen !== undefined && holdsNothing(then, noThen))
    return { then: reshaped('then', then, otherwise, noThen), otherwise };
  return undefined;
}
