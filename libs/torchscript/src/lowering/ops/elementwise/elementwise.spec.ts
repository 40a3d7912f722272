import { describe, expect, it } from 'vitest';

import { Emitter } from '../../../symbolic/emitter.ts';
import { UnsupportedReport } from '../../../symbolic/unsupported-report.ts';
import { floorDivDims, mulDims, freeAxis, symbol, SymInt } from '../../../symbolic/sym-int.ts';
import { TensorValue, type Scalar, type Value } from '../../../symbolic/values.ts';
import type { Position } from '../../../frontend/ast.ts';
import type { ScalarType } from '../../../scalar-type.ts';
import { callOperator } from '../../call-operator.ts';
import { operatorTable } from '../../registry.ts';

const table = operatorTable();
const at: Position = { source: { path: 'code/model.py', text: '', originAt: () => undefined }, offset: 0 };
const n = symbol(freeAxis('x', 0));

/** Calls an operator. Returns its result and the types of the nodes that it added. */
function call(
  op: string,
  args: (emitter: Emitter) => readonly Value[],
  kwargs: Readonly<Record<string, Value>> = {},
): { result: TensorValue; nodes: string[]; elements: readonly Scalar[] | undefined } {
  const emitter = new Emitter();
  const report = new UnsupportedReport();
  const given = args(emitter);
  const result = callOperator(
    { table, context: emitter, report },
    { name: `aten::${op}`, args: given, kwargs: new Map(Object.entries(kwargs)), at },
  );
  report.throwIfAny();
  if (!(result instanceof TensorValue)) throw new Error(`${op} gave no tensor`);
  return {
    result,
    nodes: emitter.root.build('test').nodes.map((node) => node.opType),
    elements: emitter.elementsOf(result),
  };
}

describe('known elements', () => {
  const size =
    (...rest: readonly Value[]) =>
    (emitter: Emitter): readonly Value[] => [emitter.elements([n], 'int64', []), ...rest];

  it.each([
    ['floor_divide', size(2n), {}, floorDivDims(n, 2)],
    ['div', size(2n), { rounding_mode: 'trunc' }, floorDivDims(n, 2)],
    ['mul', size(3n), {}, mulDims(n, 3)],
  ] as const)('keeps a size through %s', (op, args, kwargs, expected) => {
    const { elements, nodes } = call(op, args, kwargs);
    const [element] = elements ?? [];
    expect(element instanceof SymInt && expected instanceof SymInt && element.key === expected.key).toBe(true);
    expect(nodes).toEqual([]);
  });

  it.each([
    ['floor_divide', -7n, 2n, 'int64', -4n],
    ['remainder', -7n, 2n, 'int64', 1n],
    ['add', 250n, 10n, 'uint8', 4n],
    ['mul', 0.1, 3, 'float32', Math.fround(Math.fround(0.1) * 3)],
    ['lt', 1n, 2n, 'int64', true],
  ] as const)('computes %s(%s, %s) of %s', (op, a, b, dtype, expected) => {
    const { elements } = call(op, (emitter) => [emitter.elements([a], dtype, []), b]);
    expect(elements).toEqual([expected]);
  });
});

describe('division of integers', () => {
  const tensor = (emitter: Emitter, dtype: ScalarType): TensorValue => emitter.graphTensor('x', dtype, [3]);

  it('divides by a known number in one node', () => {
    const { nodes } = call('div', (emitter) => [tensor(emitter, 'int64'), 3n], { rounding_mode: 'trunc' });
    expect(nodes).toEqual(['Div']);
  });

  it('never divides by a -1 known only at run time, which would crash ONNX Runtime', () => {
    const { nodes } = call('remainder', (emitter) => [
      tensor(emitter, 'int64'),
      emitter.graphTensor('y', 'int64', [3]),
    ]);
    expect(nodes).toEqual(['Equal', 'Where', 'Mod']);
  });
});
