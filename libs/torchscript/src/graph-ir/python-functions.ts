import { BOOL, COMPLEX, FLOAT, INT, STR, type IrType } from './ir-type.ts';

/** Calls that give a value of a type, and give back what has that type already. */
export const CASTS: Readonly<Record<string, { readonly kind: string; readonly type: IrType }>> = {
  bool: { kind: 'aten::Bool', type: BOOL },
  int: { kind: 'aten::Int', type: INT },
  float: { kind: 'aten::Float', type: FLOAT },
  complex: { kind: 'aten::Complex', type: COMPLEX },
  str: { kind: 'aten::str', type: STR },
};

/** Python's own functions whose operator is not `aten::` with their name. */
export const BUILTINS: Readonly<Record<string, string>> = {
  min: 'prim::min',
  max: 'prim::max',
  abs: 'prim::abs',
  id: 'prim::id',
};
