import type { ClassDef, TypeExpr } from '../frontend/ast.ts';
import type { Program } from '../frontend/program.ts';
import { ANY, NONE, SCALAR, type IrType } from './ir-type.ts';

/** Types whose name in the graph is another one than in the code. */
const RENAMED: Readonly<Record<string, IrType>> = {
  None: NONE,
  number: SCALAR,
  list: { kind: 'simple', name: 'AnyListType' },
  tuple: { kind: 'simple', name: 'AnyTupleType' },
};

/** Reads a type as the code writes it; classes are looked up in the program. */
export function readTypeExpr(type: TypeExpr | undefined, program: Program): IrType {
  if (type === undefined) return { kind: 'simple', name: 'Tensor' };
  const args = type.args.map((arg) => readTypeExpr(arg, program));
  const [first = ANY, second = ANY] = args;
  switch (type.name) {
    case 'Optional':
      return { kind: 'optional', of: first };
    case 'Final':
      return first;
    case 'List':
      return { kind: 'list', of: first };
    case 'Future':
      return { kind: 'future', of: first };
    case 'Dict':
      return { kind: 'dict', key: first, value: second };
    case 'Tuple':
      return { kind: 'tuple', items: args };
    case 'Union':
      return { kind: 'union', options: args };
    default:
      return type.name.includes('.') ? classType(type.name, program) : (RENAMED[type.name] ?? simpleType(type.name));
  }
}

function simpleType(name: string): IrType {
  return { kind: 'simple', name };
}

/** The type of a class of the archive, by qualified name; a named tuple is a tuple. */
export function classType(name: string, program: Program): IrType {
  const definition = program.findClass(name);
  switch (definition?.base) {
    case 'NamedTuple':
      return namedTupleType(name, definition, program);
    case 'Enum':
      return { kind: 'class', name, form: 'enum' };
    case 'Interface':
    case 'ModuleInterface':
      return { kind: 'class', name, form: 'interface' };
    default:
      return { kind: 'class', name, form: 'class' };
  }
}

function namedTupleType(name: string, definition: ClassDef, program: Program): IrType {
  return {
    kind: 'tuple',
    name,
    fields: definition.attributes.map((attribute) => attribute.name),
    // A tuple cannot hold itself: the class would have to be defined before it is.
    items: definition.attributes.map(({ type }) => (type?.name === name ? ANY : readTypeExpr(type, program))),
  };
}
