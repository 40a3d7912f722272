import { BOOL, COMPLEX, FLOAT, INT, STR, type IrType } from './ir-type.ts';

/** Calls that convert to a type. A value that has the type already is returned as it is. */
export const CASTS: Readonly<Record<string, { readonly kind: string; readonly type: IrType }>> = {
  bool: { kind: 'aten::Bool', type: BOOL },
  int: { kind: 'aten::Int', type: INT },
  float: { kind: 'aten::Float', type: FLOAT },
  complex: { kind: 'aten::Complex', type: COMPLEX },
  str: { kind: 'aten::str', type: STR },
};

/** Operators of Python's own functions that do not have the function's name after `aten::`. */
export const BUILTINS: Readonly<Record<string, string>> = {
  min: 'prim::min',
  max: 'prim::max',
  abs: 'prim::abs',
  id: 'prim::id',
};
