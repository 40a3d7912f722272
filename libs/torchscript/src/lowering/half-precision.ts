import type { LowerContext } from '../symbolic/lower-context.ts';
import { castScalar } from '../symbolic/scalar-elements.ts';
import { isFloating } from '../symbolic/onnx-types.ts';
import { TensorValue } from '../symbolic/values.ts';
import type { ScalarType } from '../scalar-type.ts';
import type { LowerResult, OpDefinition } from './define-op.ts';

type Arguments = Readonly<Record<string, unknown>>;

/** Families whose operators compute new numbers. The others move numbers, which needs no rounding. */
const COMPUTING = new Set([
  'activation',
  'attention',
  'convolution',
  'elementwise',
  'linear',
  'loss',
  'normalization',
  'pooling',
  'recurrent',
  'reduction',
]);

/**
 * Lowers a call. An operator on float16 or bfloat16 computes in float32 and rounds its results once, as PyTorch's CPU kernels do. An
 * operator with tensors of several floating dtypes computes in the dtype of its result; bfloat16 results are rounded then.
 */
export function lowerRounding(context: LowerContext, definition: OpDefinition, args: Arguments): LowerResult {
  const { family, lower, schema } = definition;
  if (!COMPUTING.has(family)) return lower(context, args);
  const tensors = Object.values(args).flatMap(tensorsIn);
  if (!tensors.some(({ dtype }) => isHalf(dtype))) return lower(context, args);
  const half = onlyHalf(tensors);
  const hasType = Object.values(args).some(
    (value) => typeof value === 'string' && (isHalf(value) || isFloating(value as ScalarType)),
  );
  if (half === undefined || hasType) {
    return mapTensors(lower(context, args), (result) =>
      result.dtype === 'bfloat16' ? rounded(context, result, tensors, 'bfloat16') : result,
    );
  }
  const widened = new Map<TensorValue, TensorValue>();
  const widen = (tensor: TensorValue): TensorValue => {
    if (tensor.dtype !== half) return tensor;
    const wide = widened.get(tensor) ?? context.cast(tensor, 'float32');
    widened.set(tensor, wide);
    return wide;
  };
  const rounds = ROUNDS_NUMBERS.has(schema.name);
  const wide = Object.fromEntries(
    Object.entries(args).map(([name, value]) => [
      name,
      mapTensors((rounds ? roundedNumber(context, value, half) : value) as LowerResult, widen),
    ]),
  );
  return mapTensors(lower(context, wide), (result) => {
    // An operator that does nothing returns its argument.
    const [given] = [...widened].find(([, argument]) => argument === result || isSame(argument, result)) ?? [];
    if (given !== undefined && given.rank === result.rank) return given;
    return result.dtype === 'float32' ? context.cast(result, half) : result;
  });
}

/** Operators that round their numbers (Python's and tensors of rank 0) to the dtype of the tensor. All others use them as they are. */
const ROUNDS_NUMBERS = new Set(
  ['add', 'sub', 'rsub', 'pow', 'remainder', 'fmod', 'hardshrink', 'eq', 'ne', 'lt', 'le', 'gt', 'ge'].map(
    (name) => `aten::${name}`,
  ),
);

/** A number of a call, rounded if it is one that the operator rounds. */
function roundedNumber(context: LowerContext, value: unknown, half: ScalarType): unknown {
  if (typeof value === 'number') return castScalar(value, half);
  const isNumber = value instanceof TensorValue && value.rank === 0 && isFloating(value.dtype);
  return isNumber ? context.cast(value, half) : value;
}

const isHalf = (dtype: string): boolean => dtype === 'float16' || dtype === 'bfloat16';

/** The 16-bit dtype if all floating tensors have it. Numbers (tensors of rank 0) do not count beside tensors with axes. */
function onlyHalf(tensors: readonly TensorValue[]): ScalarType | undefined {
  const floating = tensors.filter(({ dtype }) => isFloating(dtype));
  const withAxes = floating.filter(({ rank }) => rank > 0);
  const [first, ...others] = withAxes.length > 0 ? withAxes : floating;
  if (first === undefined || !isHalf(first.dtype)) return undefined;
  return others.every(({ dtype }) => dtype === first.dtype) ? first.dtype : undefined;
}

/** A result rounded to `dtype`, unless it is one of the arguments. */
function rounded(
  context: LowerContext,
  result: TensorValue,
  given: readonly TensorValue[],
  dtype: ScalarType,
): TensorValue {
  if (given.some((tensor) => tensor === result || isSame(tensor, result))) return result;
  return context.cast(context.cast(result, 'float32'), dtype);
}

/** Whether both are the same value of the graph. */
function isSame(a: TensorValue, b: TensorValue): boolean {
  const [x, y] = [a.content.data, b.content.data];
  return x.kind === 'graph' && y.kind === 'graph' && x.name === y.name;
}

function tensorsIn(value: unknown): TensorValue[] {
  if (value instanceof TensorValue) return [value];
  return Array.isArray(value) ? value.filter((item): item is TensorValue => item instanceof TensorValue) : [];
}

function mapTensors(value: LowerResult, map: (tensor: TensorValue) => TensorValue): LowerResult {
  if (value instanceof TensorValue) return map(value);
  if (!Array.isArray(value)) return value;
  return (value as readonly LowerResult[]).map((item) =>
    item instanceof TensorValue ? map(item) : item,
  ) as LowerResult;
}
