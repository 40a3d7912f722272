import { isEqual, isLess, productOf, withElements, type Dim } from '../symbolic/sym-int.ts';
import { TensorValue, type SymBool, type Value } from '../symbolic/values.ts';

/** The code for empty inputs cannot be compiled beside the code for all others. */
export class LeftOut extends Error {}

/** What a truth value is for inputs whose free axes have at least one element each. Undefined if it depends on more. */
export function truthWithElements({ condition }: SymBool, resolve: (dim: Dim) => Dim): boolean | undefined {
  if (condition.kind === 'value') return undefined;
  if (condition.kind === 'not') {
    const inner = truthWithElements(condition.of, resolve);
    return inner === undefined ? undefined : !inner;
  }
  const [a, b] = [withElements(resolve(condition.a)), withElements(resolve(condition.b))];
  if (condition.op === 'eq') return isEqual(a, b);
  if (condition.op === 'lt') return isLess(a, b);
  const greater = isLess(b, a);
  return greater === undefined ? undefined : !greater;
}

/**
 * A tensor without elements stands for "nothing yet" (state before the first call). If the other value has another rank, it becomes an
 * empty tensor of that rank.
 */
export function emptyLike(value: Value, other: Value): Value {
  if (!(value instanceof TensorValue) || !(other instanceof TensorValue)) return value;
  if (value.dtype !== other.dtype || value.rank === other.rank || other.rank === 0) return value;
  if (productOf(value.shape) !== 0) return value;
  const shape = other.shape.map((dim, axis) => (typeof dim === 'number' && axis > 0 ? dim : 0));
  return new TensorValue({ dtype: value.dtype, shape, data: { kind: 'elements', elements: [] }, contiguous: true });
}
