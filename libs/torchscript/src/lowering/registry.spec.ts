import { describe, expect, it } from 'vitest';

import { opFamily, overloadKey } from './define-op.ts';
import { OP_FAMILIES, operatorTable } from './registry.ts';

function familyOf(key: string, version?: number): string | undefined {
  const [name = ''] = key.split('.');
  return operatorTable(OP_FAMILIES, version)
    .get(name)
    ?.find(({ schema }) => overloadKey(schema) === key)?.family;
}

describe('operatorTable', () => {
  it.each([
    ['aten::div.Tensor', 3, 'historic'],
    ['aten::div.Tensor', 4, 'elementwise'],
    ['aten::full', 4, 'historic'],
    ['aten::full', 5, 'creation'],
    ['aten::add.Tensor', 3, 'elementwise'],
  ])('takes %s for archives of version %i from %s', (key, version, family) => {
    expect(familyOf(key, version)).toBe(family);
  });

  it('refuses an overload that is defined twice', () => {
    const [a, b] = [opFamily('a'), opFamily('b')];
    for (const { defineOp } of [a, b]) defineOp('aten::relu(Tensor self) -> Tensor', (_, { self }) => self);
    expect(() => operatorTable([a.ops, b.ops])).toThrow('aten::relu is defined in two families');
    expect(() => {
      a.defineOp('aten::relu(Tensor self) -> Tensor', (_, { self }) => self);
    }).toThrow('defined twice');
  });
});
