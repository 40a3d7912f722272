import type { TypeExpr } from '../frontend/ast.ts';
import type { Program } from '../frontend/program.ts';
import { SymInt } from '../symbolic/sym-int.ts';
import {
  DictValue,
  isTuple,
  ListValue,
  SymBool,
  SymFloat,
  SymStr,
  TensorValue,
  type Value,
} from '../symbolic/values.ts';

/** The types of items of lists of unknown length, as the code names them. */
const FORM_NAMES = {
  tensor: 'Tensor',
  int: 'int',
  float: 'float',
  bool: 'bool',
  str: 'str',
  list: 'List',
  tuple: 'Tuple',
} as const;

/** Whether a value has a type that is given as in the code. Used for `isinstance`. */
export function matchesType(value: Value, type: TypeExpr, program: Program): boolean {
  const [first] = type.args;
  switch (type.name) {
    case 'Any':
      return true;
    case 'Optional':
      return value === null || (first !== undefined && matchesType(value, first, program));
    case 'Union':
      return type.args.some((option) => matchesType(value, option, program));
    case 'Final':
    case 'Future':
      return first === undefined || matchesType(value, first, program);
    case 'NoneType':
      return value === null;
    case 'Tensor':
      return value instanceof TensorValue;
    case 'int':
      return typeof value === 'bigint' || value instanceof SymInt;
    case 'float':
      return typeof value === 'number' || value instanceof SymFloat;
    case 'bool':
      return typeof value === 'boolean' || value instanceof SymBool;
    case 'number':
      return ['int', 'float'].some((name) => matchesType(value, { name, args: [] }, program));
    case 'str':
      return typeof value === 'string' || value instanceof SymStr;
    case 'List':
    case 'list':
      if (!(value instanceof ListValue)) return false;
      if (value.grown !== undefined) {
        return first === undefined || first.name === 'Any' || FORM_NAMES[value.grown.form.kind] === first.name;
      }
      return first === undefined || value.stored.every((item) => matchesType(item, first, program));
    case 'Dict':
    case 'dict':
      return value instanceof DictValue;
    case 'Tuple':
    case 'tuple': {
      if (!isTuple(value)) return false;
      const { items } = value;
      return (
        type.args.length === 0 ||
        (items.length === type.args.length &&
          items.every((item, i) => matchesType(item, type.args[i] ?? type, program)))
      );
    }
    case 'Device':
      return value !== null && typeof value === 'object' && 'kind' in value && value.kind === 'device';
    default:
      if (value === null || typeof value !== 'object' || !('kind' in value)) return false;
      if (value.kind === 'object' || value.kind === 'enum') return value.className === type.name;
      return value.kind === 'tuple' && value.named?.className === type.name;
  }
}
