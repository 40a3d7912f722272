import type { ClassDef, TypeExpr } from '../frontend/ast.ts';
import type { Program } from '../frontend/program.ts';
import { ANY, NONE, SCALAR, type IrType } from './ir-type.ts';

/** Types that have another name in the graph than in the code. */
const RENAMED: Readonly<Record<string, IrType>> = {
  None: NONE,
  number: SCALAR,
  list: { kind: 'simple', name: 'AnyListType' },
  tuple: { kind: 'simple', name: 'AnyTupleType' },
};

/** Largest nesting depth of named tuples. */
const MAX_NAMED_TUPLES = 16;

/** Types of a program's named tuples, and the names of types that are being read. The names show a tuple that contains itself. */
interface NamedTuples {
  readonly types: Map<string, IrType>;
  readonly open: Set<string>;
}

const NAMED_TUPLES = new WeakMap<Program, NamedTuples>();

/** Reads a type in the code. Looks up classes in the program. */
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

/** The type of a class of the archive, by qualified name. The type of a named tuple is a tuple. */
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

/** The type of a named tuple. Inside itself it is `Any`, because no value can contain itself. */
function namedTupleType(name: string, definition: ClassDef, program: Program): IrType {
  const { types, open } = NAMED_TUPLES.get(program) ?? { types: new Map<string, IrType>(), open: new Set<string>() };
  NAMED_TUPLES.set(program, { types, open });
  const known = types.get(name);
  if (known !== undefined) return known;
  if (open.has(name) || open.size >= MAX_NAMED_TUPLES) return ANY;
  open.add(name);
  const type: IrType = {
    kind: 'tuple',
    name,
    fields: definition.attributes.map((attribute) => attribute.name),
    items: definition.attributes.map((attribute) => readTypeExpr(attribute.type, program)),
  };
  open.delete(name);
  types.set(name, type);
  return type;
}
