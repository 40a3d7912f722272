import { describe, expect, it } from 'vitest';

import { Emitter } from '../../symbolic/emitter.ts';
import { UnsupportedReport } from '../../symbolic/unsupported-report.ts';
import { mulDims, freeAxis, symbol, type Dim } from '../../symbolic/sym-int.ts';
import { ListValue, TensorValue, UnknownValue, type Value } from '../../symbolic/values.ts';
import type { Position } from '../../frontend/ast.ts';
import type { ScalarType } from '../../scalar-type.ts';
import { callOperator } from '../call-operator.ts';
import { operatorTable } from '../registry.ts';

const table = operatorTable();
const at: Position = { source: { path: 'code/model.py', text: '', originAt: () => undefined }, offset: 0 };
const n = symbol(freeAxis('x', 0));
const m = symbol(freeAxis('x', 1));

/** Calls an operator on tensors given as `{dtype, shape}`. Returns its result and the text of its refusal. */
function call(
  op: string,
  args: readonly unknown[],
  kwargs: Readonly<Record<string, Value>> = {},
): { result: Value; emitter: Emitter; failure: string } {
  const emitter = new Emitter();
  const report = new UnsupportedReport();
  const value = (arg: unknown): Value => {
    if (typeof arg === 'number') return BigInt(arg);
    if (Array.isArray(arg)) return new ListValue(arg.map(value));
    if (arg !== null && typeof arg === 'object' && 'dtype' in arg) {
      const { dtype, shape } = arg as { dtype: ScalarType; shape: Dim[] };
      return emitter.graphTensor('x', dtype, shape);
    }
    return arg as Value;
  };
  const result = callOperator(
    { table, context: emitter, report },
    { name: `aten::${op}`, args: args.map(value), kwargs: new Map(Object.entries(kwargs)), at },
  );
  let failure = '';
  try {
    report.throwIfAny();
  } catch (thrown) {
    failure = String(thrown);
  }
  return { result, emitter, failure };
}

const f32 = (...shape: Dim[]): unknown => ({ dtype: 'float32', shape });
const of = (dtype: ScalarType, ...shape: Dim[]): unknown => ({ dtype, shape });

/** Type and shape of a result, such as `float32[2,3]`, for each item of a list or tuple. */
function describeResult(result: Value): string {
  if (result instanceof TensorValue) return `${result.dtype}[${result.shape.map(String).join(', ')}]`;
  if (result instanceof UnknownValue) return 'unknown';
  if (result instanceof ListValue) return result.items.map(describeResult).join(' ');
  return result !== null && typeof result === 'object' && 'items' in result
    ? result.items.map(describeResult).join(' ')
    : String(result);
}

const N = 'size(x,0)';

describe('result types and shapes', () => {
  it.each<[op: string, args: unknown[], expected: string]>([
    ['view', [f32(n, 12, 4), [-1, 6, 8]], `float32[${N}, 6, 8]`],
    ['view', [f32(n, 12), [mulDims(n, 3), -1]], `float32[3*${N}, 4]`],
    ['reshape', [f32(n, 12), [-1]], `float32[12*${N}]`],
    ['flatten', [f32(n, 3, 4, 5), 1], `float32[${N}, 60]`],
    ['unflatten', [f32(n, 12), 1, [3, -1]], `float32[${N}, 3, 4]`],
    ['squeeze', [f32(n, 1, 4, 1)], `float32[${N}, 4]`],
    ['permute', [f32(n, 3, 4), [2, 0, -2]], `float32[4, ${N}, 3]`],
    ['expand', [f32(n, 1), [2, -1, 5]], `float32[2, ${N}, 5]`],
    ['repeat', [f32(n, 2), [3, 1, 2]], `float32[3, ${N}, 4]`],
    ['cat', [[f32(n, 2), of('float64', n, 3)], 1], `float64[${N}, 5]`],
    ['stack', [[f32(n, 2), f32(n, 2)], -1], `float32[${N}, 2, 2]`],
    ['split', [f32(n, 5), 2, 1], `float32[${N}, 2] float32[${N}, 2] float32[${N}, 1]`],
    ['chunk', [f32(n, 5), 4, 1], `float32[${N}, 2] float32[${N}, 2] float32[${N}, 1]`],
    ['tensor_split', [f32(n, 5), 3, 1], `float32[${N}, 2] float32[${N}, 2] float32[${N}, 1]`],
    ['unfold', [f32(n, 10), 1, 4, 3], `float32[${N}, 3, 4]`],
    ['diagonal', [f32(n, 3, 4), 1, 1, 2], `float32[${N}, 3]`],
    // The axes of index tensors replace the indexed axes. If a `:` is between the index tensors, they come first.
    ['index', [f32(n, 3, 4, 5), [null, of('int64', 7), of('int64', 2, 1)]], `float32[${N}, 2, 7, 5]`],
    ['index', [f32(n, 3, 4, 5), [null, of('int64', 7), null, of('int64', 7)]], `float32[7, ${N}, 4]`],
    ['index', [f32(n, 3, 4), [null, of('bool', 3, 4)]], `float32[${N}, size(compress,1)]`],
    ['gather', [f32(n, 3), 1, of('int64', n, 5)], `float32[${N}, 5]`],
    ['embedding', [f32(100, 8), of('int64', n, 5)], `float32[${N}, 5, 8]`],
    ['sum', [of('bool', n, 3), [1]], `int64[${N}]`],
    ['sum', [of('float16', n, 3), [1], true], `float16[${N}, 1]`],
    ['mean', [f32(n, 3, 4), [-1, -2]], `float32[${N}]`],
    ['prod', [of('uint8', n, 3), 1], `int64[${N}]`],
    ['any', [of('uint8', n, 3), 1], `uint8[${N}]`],
    ['max', [of('int32', n, 3), 1], `int32[${N}] int64[${N}]`],
    ['argmax', [f32(n, 3)], 'int64[]'],
    ['topk', [f32(n, 9), 3], `float32[${N}, 3] int64[${N}, 3]`],
    ['var_mean', [f32(n, 9), [1]], `float32[${N}] float32[${N}]`],
    ['cdist', [f32(n, 4, 3), f32(n, 6, 3)], `float32[${N}, 4, 6]`],
    ['cross_entropy_loss', [f32(n, 5), of('int64', n)], 'float32[]'],
  ])('of %s (case %#)', (op, args, expected) => {
    const { result, failure } = call(op, args);
    expect(failure).toBe('');
    expect(describeResult(result)).toBe(expected);
  });
});

describe('a shape that does not match', () => {
  it.each<[op: string, args: unknown[], message: string]>([
    ['view', [f32(2, 3), [4, 2]], '6 elements in the shape [4, 2]'],
    ['expand', [f32(2, 3), [2, 4]], 'expanding 3 elements to 4'],
    ['split_with_sizes', [f32(2, 6), [1, 2], 1], 'pieces with a total size of 3 for an axis of 6'],
    ['permute', [f32(2, 3), [0]], 'must name every dimension once'],
    ['mean', [of('int64', 2, 3)], 'mean() of a tensor of int64'],
    ['linalg_matrix_norm', [f32(3, 3), 'nuc'], 'norms made of singular values'],
  ])('is refused by %s (case %#)', (op, args, message) => {
    expect(call(op, args).failure).toContain(message);
  });

  it('the result of expand() cannot be changed in place', () => {
    const { result, emitter } = call('expand', [f32(2, 1), [2, 4]]);
    if (!(result instanceof TensorValue)) throw new Error('no tensor');
    expect(() => emitter.heap.setTensor(result, result.content)).toThrow('in-place change of an expanded tensor');
  });
});

describe('free axes', () => {
  it('get the size that pieces or a shape require', () => {
    expect(
      call('split_with_sizes', [f32(n, m), [1, 2], 1])
        .emitter.learnedSizes.get('x')
        ?.get(1),
    ).toBe(3);
    expect(
      call('view', [f32(n, 12), [2, 12]])
        .emitter.learnedSizes.get('x')
        ?.get(0),
    ).toBe(2);
    expect(
      call('squeeze', [f32(n, m), 1])
        .emitter.learnedSizes.get('x')
        ?.get(1),
    ).toBe(1);
    expect(call('squeeze', [f32(n, m), 0]).emitter.learnedSizes.size).toBe(0);
  });

  it('split into the number of pieces that the code unpacks', () => {
    const { result } = call('split', [f32(n, m), 2, 1]);
    if (!(result instanceof ListValue)) throw new Error('no list');
    expect(() => result.items).toThrow('pieces of a free axis');
    const pieces = result.pieces?.unpack(3).map(describeResult);
    expect(pieces).toEqual([`float32[${N}, 2]`, `float32[${N}, 2]`, `float32[${N}, -4+size(x,1)]`]);
  });

  it('stay known sizes after a product', () => {
    const emitter = new Emitter();
    const context = { table, context: emitter, report: new UnsupportedReport() };
    const sizes = emitter.ints([n, 4]);
    const product = callOperator(context, { name: 'aten::prod', args: [sizes], kwargs: new Map(), at });
    expect(product instanceof TensorValue && emitter.elementsOf(product)).toEqual([mulDims(n, 4)]);
  });
});
