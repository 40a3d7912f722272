import { describe, expect, it } from 'vitest';

import {
  ANY,
  BOOL,
  DEVICE,
  FLOAT,
  INT,
  isMutable,
  isSubtype,
  NONE,
  printType,
  SCALAR,
  STR,
  TENSOR,
  unifyTypes,
  type IrType,
} from './ir-type.ts';

const optional = (of: IrType): IrType => ({ kind: 'optional', of });
const list = (of: IrType): IrType => ({ kind: 'list', of });
const tuple = (...items: IrType[]): IrType => ({ kind: 'tuple', items });
const named: IrType = { kind: 'tuple', name: '__torch__.P', fields: ['a', 'b'], items: [INT, TENSOR] };
const dict: IrType = { kind: 'dict', key: STR, value: TENSOR };
const union = (...options: IrType[]): IrType => ({ kind: 'union', options });
const classOf = (name: string, form: 'class' | 'interface' | 'enum' = 'class'): IrType => ({
  kind: 'class',
  name,
  form,
});
const anyOf = (name: string): IrType => ({ kind: 'simple', name });

describe('isSubtype', () => {
  it.each<[IrType, IrType]>([
    [INT, INT],
    [TENSOR, ANY],
    [INT, SCALAR],
    [NONE, optional(INT)],
    [INT, optional(INT)],
    [optional(INT), optional(SCALAR)],
    [tuple(INT, NONE), tuple(SCALAR, optional(TENSOR))],
    [named, tuple(INT, TENSOR)],
    [INT, union(STR, INT)],
    [union(INT, FLOAT), SCALAR],
    [classOf('A'), classOf('I', 'interface')],
    [list(INT), anyOf('AnyListType')],
    [named, anyOf('AnyTupleType')],
    [classOf('A'), anyOf('AnyClassType')],
    [classOf('E', 'enum'), anyOf('AnyEnumType')],
  ])('%j is a %j', (a, b) => {
    expect(isSubtype(a, b)).toBe(true);
  });

  it.each<[IrType, IrType]>([
    [INT, FLOAT],
    [BOOL, SCALAR],
    [ANY, TENSOR],
    [optional(INT), INT],
    [list(INT), list(SCALAR)],
    [list(NONE), list(optional(INT))],
    [tuple(INT), tuple(INT, INT)],
    [tuple(INT, TENSOR), named],
    [dict, { kind: 'dict', key: STR, value: ANY }],
    [union(INT, STR), INT],
    [classOf('A'), classOf('B')],
    [classOf('E', 'enum'), anyOf('AnyClassType')],
    [DEVICE, STR],
  ])('%j is not a %j', (a, b) => {
    expect(isSubtype(a, b)).toBe(false);
  });
});

it.each<[IrType, IrType, string]>([
  [INT, INT, 'int'],
  [INT, SCALAR, 'Scalar'],
  [NONE, TENSOR, 'Tensor?'],
  [optional(INT), NONE, 'int?'],
  [optional(INT), optional(FLOAT), 'Union(int, float)?'],
  [tuple(NONE, INT), tuple(STR, INT), '(str?, int)'],
  [list(NONE), list(INT), 'int?[]'],
  [INT, STR, 'Union(int, str)'],
  [union(INT, STR), FLOAT, 'Union(int, str, float)'],
])('unifies %j and %j', (a, b, expected) => {
  expect(printType(unifyTypes(a, b))).toBe(expected);
});

it.each<[IrType, string, boolean]>([
  [optional(list(TENSOR)), 'Tensor[]?', true],
  [dict, 'Dict(str, Tensor)', true],
  [named, 'NamedTuple(a : int, b : Tensor)', true],
  [tuple(INT, optional(FLOAT)), '(int, float?)', false],
  [classOf('__torch__.E', 'enum'), 'Enum<__torch__.E>', false],
  [classOf('__torch__.M'), '__torch__.M', true],
  [{ kind: 'future', of: INT }, 'Future[int]', true],
  [union(INT, TENSOR), 'Union(int, Tensor)', true],
  [DEVICE, 'Device', false],
])('prints %j as %s', (type, text, mutable) => {
  expect(printType(type)).toBe(text);
  expect(isMutable(type)).toBe(mutable);
});
