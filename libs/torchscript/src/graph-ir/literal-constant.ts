import type { Expr } from '../frontend/ast.ts';
import { typeOfConstant, type Constant } from './constant.ts';
import { ANY, unifyTypes } from './ir-type.ts';

/** A literal of the code as a constant. */
export function literalConstant(value: Extract<Expr, { readonly kind: 'literal' }>['value']): Constant {
  return typeof value === 'object' && value !== null ? { kind: 'complex', ...value } : value;
}

/** The constant of an expression of literals: a default of a parameter, or a constant of a class. Other expressions give None. */
export function constantOf(expression: Expr): Constant {
  switch (expression.kind) {
    case 'literal':
      return literalConstant(expression.value);
    case 'tuple':
      return { kind: 'tuple', items: expression.items.map(constantOf) };
    case 'list': {
      const items = expression.items.map(constantOf);
      const [first, ...rest] = items.map(typeOfConstant);
      return { kind: 'list', items, of: first === undefined ? ANY : rest.reduce(unifyTypes, first) };
    }
    case 'typed':
      return expression.value === undefined ? null : constantOf(expression.value);
    default:
      return null;
  }
}
