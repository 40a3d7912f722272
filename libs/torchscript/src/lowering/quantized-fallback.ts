import type { LowerContext } from '../symbolic/lower-context.ts';
import { TensorValue, type Quantizer, type Value } from '../symbolic/values.ts';
import type { LowerResult, OpDefinition } from './define-op.ts';
import { lowerRounding } from './half-precision.ts';
import { isQuantizedTensor, numbersOf, quantize, quantizerOf } from './quantized.ts';

/** Operators whose result has a scale of its own in PyTorch, because its range is known. */
const FIXED: Readonly<Record<string, Quantizer>> = {
  'aten::sigmoid': { scale: 1 / 256, zeroPoint: 0 },
  'aten::hardsigmoid': { scale: 1 / 256, zeroPoint: 0 },
  'aten::tanh': { scale: 2 / 256, zeroPoint: 128 },
};

/**
 * Lowers an operator. If it has quantized arguments and is not one of the quantized operators, it computes with their numbers, and its
 * float32 results get the quantizer of the first quantized argument, as in PyTorch.
 */
export function lowerQuantized(
  context: LowerContext,
  definition: OpDefinition,
  values: Readonly<Record<string, unknown>>,
): LowerResult {
  const first = definition.symbolicScalars || definition.family === 'quantized' ? undefined : firstQuantized(values);
  if (first === undefined) return lowerRounding(context, definition, values);
  const numbers = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toNumbers(context, value)]));
  const quantizer = FIXED[definition.schema.name] ?? quantizerOf(context, first);
  const again = (value: Value): Value =>
    value instanceof TensorValue && value.dtype === 'float32'
      ? quantize(context, value, first.dtype, quantizer)
      : value;
  const result = lowerRounding(context, definition, numbers);
  if (result === undefined) return result;
  return Array.isArray(result) ? (result as readonly Value[]).map(again) : again(result as Value);
}

function firstQuantized(values: Readonly<Record<string, unknown>>): TensorValue | undefined {
  return Object.values(values).flat().find(isQuantizedTensor);
}

function toNumbers(context: LowerContext, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => toNumbers(context, item));
  return isQuantizedTensor(value) ? numbersOf(context, value) : value;
}
