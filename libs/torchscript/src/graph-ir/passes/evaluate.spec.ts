import { expect, it } from 'vitest';

import type { Constant } from '../constant.ts';
import { createNode } from '../graph.ts';
import { INT } from '../ir-type.ts';
import { evaluate } from './evaluate.ts';

const tuple = (...items: Constant[]): Constant => ({ kind: 'tuple', items });
const member = (text: string): Constant => ({ kind: 'object', text, type: { kind: 'class', name: 'E', form: 'enum' } });
const MAX = 2n ** 63n - 1n;

it.each<[kind: string, inputs: readonly Constant[], result: Constant | undefined]>([
  ['aten::add', [2n, 3n], 5n],
  ['aten::add', [MAX, 1n], -MAX - 1n],
  ['aten::add', [2n, 0.5], 2.5],
  ['aten::add', ['a', 'b'], 'ab'],
  ['aten::add', ['a'.repeat(9000), 'b'.repeat(9000)], undefined],
  ['aten::div', [1n, 2n], 0.5],
  ['aten::div', [1n, 0n], undefined],
  ['aten::floordiv', [-7n, 2n], -4n],
  ['aten::floordiv', [-7n, -2n], 3n],
  ['aten::floordiv', [7n, 0n], undefined],
  ['aten::floordiv', [-7.5, 2n], -4],
  ['aten::remainder', [-7n, 2n], 1n],
  ['aten::remainder', [7n, -2n], -1n],
  ['prim::max', [1n, 2n], 2n],
  ['prim::min', [1.5, 2n], 1.5],
  ['aten::eq', [1n, 1], true],
  ['aten::ne', [1n, true], false],
  ['aten::lt', ['a', 'b'], true],
  ['aten::ge', [NaN, 1], false],
  ['aten::eq', [member('A'), member('A')], true],
  ['aten::ne', [member('A'), member('B')], true],
  ['aten::__is__', [null, null], true],
  ['aten::__isnot__', [1n, null], true],
  ['aten::__and__', [true, false], false],
  ['aten::__or__', [true, false], true],
  ['aten::__or__', [1n, 2n], undefined],
  ['aten::__not__', [false], true],
  ['aten::neg', [3n], -3n],
  ['aten::neg', [-MAX - 1n], undefined],
  ['aten::Bool', [2n], true],
  ['aten::Int', [-2.9], -2n],
  ['aten::Int', [Infinity], undefined],
  ['aten::Int', [1e300], undefined],
  ['aten::Float', [3n], 3],
  ['aten::floor', [-0.5], -1n],
  ['aten::len', ['abc'], 3n],
  ['aten::device', ['cpu'], { kind: 'device', device: 'cpu' }],
  ['prim::TupleConstruct', [1n, 'a'], tuple(1n, 'a')],
  ['prim::TupleIndex', [tuple(1n, 2n), -1n], 2n],
  ['prim::TupleIndex', [tuple(1n, 2n), 2n], undefined],
  ['prim::unchecked_cast', [1n], 1n],
  ['aten::frobnicate', [1n, 2n], undefined],
])('%s of constants (%#)', (kind, inputs, result) => {
  const node = createNode(kind, { types: [INT] });
  expect(evaluate(node, inputs)?.[0]).toEqual(result);
});

it('unpacks constant tuples', () => {
  expect(evaluate(createNode('prim::TupleUnpack', { types: [INT, INT] }), [tuple(1n, 2n)])).toEqual([1n, 2n]);
});
