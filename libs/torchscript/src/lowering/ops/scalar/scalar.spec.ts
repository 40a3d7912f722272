import { describe, expect, it } from 'vitest';

import { Emitter } from '../../../symbolic/emitter.ts';
import { UnsupportedReport } from '../../../symbolic/unsupported-report.ts';
import { freeAxis, symbol } from '../../../symbolic/sym-int.ts';
import {
  DictValue,
  ListValue,
  SymBool,
  SymFloat,
  type TensorValue,
  UnknownValue,
  type Value,
} from '../../../symbolic/values.ts';
import type { Position } from '../../../frontend/ast.ts';
import { callOperator } from '../../call-operator.ts';
import { textOf } from '../../python-text.ts';
import { operatorTable } from '../../registry.ts';

const table = operatorTable();
const at: Position = { source: { path: 'code/model.py', text: '', originAt: () => undefined }, offset: 0 };
const n = symbol(freeAxis('x', 0));
const list = (...items: Value[]): ListValue => new ListValue(items);

function calls(emitter = new Emitter()): (op: string, ...args: Value[]) => Value {
  const report = new UnsupportedReport();
  return (op, ...args) => {
    const name = op.includes('::') ? op : `aten::${op}`;
    const result = callOperator({ table, context: emitter, report }, { name, args, kwargs: new Map(), at });
    report.throwIfAny();
    return result;
  };
}

/** A value as text. Sizes are shown as expressions: `2*size(x,0)`. */
function textOfValue(value: Value): string {
  if (value instanceof ListValue) return `[${value.items.map(textOfValue).join(', ')}]`;
  if (value instanceof SymBool) return value.condition.kind;
  if (value instanceof SymFloat) return 'float of the run';
  if (value !== null && typeof value === 'object' && 'items' in value)
    return `(${value.items.map(textOfValue).join(', ')})`;
  return value !== null && typeof value === 'object' && !('kind' in value) ? String(value) : textOf(value);
}

describe('numbers', () => {
  it.each<[op: string, args: Value[], expected: string]>([
    ['floordiv', [-7n, 2n], '-4'],
    ['remainder', [-7n, 3n], '2'],
    ['remainder', [7n, -3n], '-2'],
    ['remainder', [-7.5, 2], '0.5'],
    ['div', [7n, 2n], '3.5'],
    ['pow', [2n, 3n], '8.'],
    ['add', [2n ** 63n - 1n, 1n], String(-(2n ** 63n))],
    ['neg', [0], '-0.'],
    ['round', [2.5], '2.'],
    ['Int', [-2.7], '-2'],
    ['Int', [2n ** 62n], '4611686018427387904'],
    ['prim::abs', [-(2n ** 62n)], '4611686018427387904'],
    ['Int', [' 12'], '12'],
    ['Float', ['-inf'], '-inf'],
    ['divmod', [-7n, 2n], '(-4, 1)'],
    ['remainder', [1, 0.1], '0.09999999999999995'],
    ['remainder', [-1, 0.1], '5.5511151231257827e-17'],
    ['mathremainder', [5n, 2n], '1.'],
    ['mathremainder', [7n, 2n], '-1.'],
    ['mathremainder', [-3n, 2n], '1.'],
    ['mathremainder', [1n, Infinity], '1.'],
    ['mathremainder', [4611686018427387904n, -7n], '-3.'],
    ['pow', [2n, 63n], '9.2233720368547758e+18'],
    ['pow', [3n, 2n ** 62n], 'inf'],
    ['pow', [1n, NaN], '1.'],
    ['pow', [-1, -Infinity], '1.'],
    ['prim::min', [NaN, 1n], '1.'],
    ['prim::max', [1, NaN], 'nan'],
    ['eq', [2n ** 53n + 1n, 2 ** 53], 'True'],
    ['eq', [2n ** 53n + 1n, 2n ** 53n], 'False'],
    ['__range_length', [5n, 0n, -2n], '3'],
    ['mul', [n, 4n], '4*size(x,0)'],
    ['prim::min', [n, 9223372036854775807n], 'min(9007199254740991,size(x,0))'],
  ])('%s %#', (op, args, expected) => {
    expect(textOfValue(calls()(op, ...args))).toBe(expected);
  });

  it('keeps a rounded fraction of sizes as a size', () => {
    const call = calls();
    expect(textOfValue(call('floor', call('mul', n, 2.5)))).toBe('floordiv(5*size(x,0),2)');
    expect(textOfValue(call('Int', call('mul', call('Float', n), 2)))).toBe('2*size(x,0)');
    const ceil = call('ceil', call('div', call('mul', n, 32n), 32n));
    expect(textOfValue(ceil)).toBe('size(x,0)');
  });

  it('does not treat a rounded quotient as exact, because n / 49 * 49 may be less than n', () => {
    const call = calls();
    const back = call('mul', call('div', n, 49n), 49n);
    expect(textOfValue(call('floor', back))).toMatch(/^value\(/);
  });
});

describe('booleans', () => {
  it.each<[op: string, args: Value[], expected: string]>([
    ['lt', [0n, n], 'compare'],
    ['lt', [-1n, n], 'True'],
    ['le', [n, 0n], 'compare'],
    ['lt', [n, 0n], 'False'],
    ['eq', [n, n], 'True'],
    ['eq', [n, 4n], 'compare'],
    ['gt', [n, 2.5], 'compare'],
    ['eq', [list(n, 3n), list(n, 3n)], 'True'],
    ['eq', [list(n, 3n), list(n, 4n)], 'False'],
    ['eq', [list(1n), list(1n, 2n)], 'False'],
    ['__is__', [null, null], 'True'],
    ['__isnot__', [n, null], 'True'],
    ['__and__', [false, new SymBool({ kind: 'compare', op: 'eq', a: n, b: 4 })], 'False'],
    ['__or__', [false, new SymBool({ kind: 'compare', op: 'eq', a: n, b: 4 })], 'compare'],
    ['__not__', [new SymBool({ kind: 'compare', op: 'eq', a: n, b: 4 })], 'not'],
  ])('%s', (op, args, expected) => {
    expect(textOfValue(calls()(op, ...args))).toBe(expected);
  });
});

describe('lists and dicts', () => {
  it('change in place for all references', () => {
    const call = calls();
    const items = list(3n, 1n, 2n);
    const same = call('add_', items, list(5n));
    expect(same).toBe(items);
    call('sort', items);
    call('insert', items, -1n, 9n);
    expect(textOfValue(call('pop', items))).toBe('5');
    call('_set_item', items, -1n, 7n);
    call('reverse', items);
    expect(textOfValue(items)).toBe('[7, 3, 2, 1]');
    expect(textOfValue(call('slice', items, null, null, -2n))).toBe('[1, 3]');
  });

  it('dicts keep their order and give None for a missing key', () => {
    const call = calls();
    const dict = new DictValue([]);
    call('_set_item', dict, 'b', 1n);
    call('_set_item', dict, 'a', 2n);
    call('_set_item', dict, 'b', 3n);
    expect(textOfValue(call('items', dict))).toBe('[(b, 3), (a, 2)]');
    expect(call('get', dict, 'c')).toBeNull();
    expect(textOfValue(call('pop', dict, 'b'))).toBe('3');
    expect(call('__contains__', dict, 'b')).toBe(false);
  });

  it.each<[op: string, args: Value[], message: RegExp]>([
    ['__getitem__', [list(1n), 1n], /item 1 of a list of 1/],
    ['__getitem__', [new DictValue([]), 'k'], /key k/],
    ['index', [list(1n), 2n], /not there/],
    ['floordiv', [1n, 0n], /by zero/],
    ['__contains__', [list(4n), n], /known only at run time/],
  ])('%s refuses by name', (op, args, message) => {
    expect(() => calls()(op, ...args)).toThrow(message);
  });

  it('a list of unknown length accepts and returns tensors at its ends', () => {
    const emitter = new Emitter();
    const call = calls(emitter);
    const data = emitter.graphTensor('s', 'float32', [n, 3]);
    const open = new ListValue([], { form: { kind: 'tensor' }, columns: [{ data }] });
    call('append', open, emitter.graphTensor('t', 'float32', [3]));
    call('insert', open, 0n, emitter.graphTensor('t', 'float32', [3]));
    expect(textOfValue(call('len', open))).toBe('2+size(x,0)');
    expect((call('pop', open) as TensorValue).shape).toEqual([3]);
    expect(textOfValue(call('len', open))).toBe('1+size(x,0)');
  });
});

describe('text', () => {
  it.each<[op: string, args: Value[], expected: string]>([
    ['format', ['{} of {}', 1, list(0.1, 1e-8)], '1. of [0.10000000000000001, 1e-08]'],
    ['str', [{ kind: 'tuple', items: [1n, 'a', null, true] }], '(1, a, None, True)'],
    ['str', [1e20], '1e+20'],
    ['percentFormat', ['%s-%d', 'x', 3n], 'x-3'],
    ['split', ['a-b-c', '-', 1n], '[a, b-c]'],
    ['replace', ['aaa', 'a', 'b', 2n], 'bba'],
    ['strip', [' a '], 'a'],
    ['find', ['abc', 'c'], '2'],
    ['slice', ['abc', null, null, -1n], 'cba'],
    ['__getitem__', ['abc', -1n], 'c'],
  ])('%s', (op, args, expected) => {
    expect(textOfValue(calls()(op, ...args))).toBe(expected);
  });
});

it('the result of an unsupported operator stays unknown and is not reported again', () => {
  const [call, unknown] = [calls(), new UnknownValue()];
  expect(call('__isnot__', unknown, null)).toBe(unknown);
  expect(call('add', unknown, 1n)).toBeInstanceOf(UnknownValue);
  expect(textOfValue(call('append', list(), unknown))).toContain('[');
});

it('sizes are those of the tensor, also symbolic sizes', () => {
  const emitter = new Emitter();
  const x = emitter.graphTensor('x', 'float32', [n, 4]);
  const call = calls(emitter);
  expect(textOfValue(call('size', x))).toBe('[size(x,0), 4]');
  expect(textOfValue(call('size', x, -1n))).toBe('4');
  expect(textOfValue(call('numel', x))).toBe('4*size(x,0)');
  expect(() => call('size', x, 2n)).toThrow(/dimension 2/);
});
