/** A type of a value in the graph. */
export type IrType =
  /** `Tensor`, `int`, `float`, `bool`, `str`, `complex`, `NoneType`, `Any`, `Device`, `Scalar`, `Function`, … */
  | { readonly kind: 'simple'; readonly name: string }
  | { readonly kind: 'optional'; readonly of: IrType }
  | { readonly kind: 'list'; readonly of: IrType }
  | { readonly kind: 'future'; readonly of: IrType }
  | { readonly kind: 'dict'; readonly key: IrType; readonly value: IrType }
  /** A named tuple has a name and names of its items. */
  | {
      readonly kind: 'tuple';
      readonly items: readonly IrType[];
      readonly name?: string;
      readonly fields?: readonly string[];
    }
  | { readonly kind: 'union'; readonly options: readonly IrType[] }
  /** A class of the archive's code. Every object is accepted as an instance of an interface, because methods are not compared. */
  | { readonly kind: 'class'; readonly name: string; readonly form: 'class' | 'interface' | 'enum' }
  /** A variable of a schema: `t`. */
  | { readonly kind: 'variable'; readonly name: string };

const simple = (name: string): IrType => ({ kind: 'simple', name });

export const TENSOR = simple('Tensor');
export const INT = simple('int');
export const FLOAT = simple('float');
export const COMPLEX = simple('complex');
export const BOOL = simple('bool');
export const STR = simple('str');
export const NONE = simple('NoneType');
export const ANY = simple('Any');
export const SCALAR = simple('Scalar');
export const DEVICE = simple('Device');
export const FUNCTION = simple('Function');

/** A type as PyTorch prints it in a graph: `Tensor?[]`, `(int, Tensor)`, `Dict(str, Tensor)`, `__torch__.a.B`. */
export function printType(type: IrType): string {
  switch (type.kind) {
    case 'simple':
    case 'variable':
      return type.name;
    case 'class':
      return type.form === 'enum' ? `Enum<${type.name}>` : type.name;
    case 'optional':
      return `${printType(type.of)}?`;
    case 'list':
      return `${printType(type.of)}[]`;
    case 'future':
      return `Future[${printType(type.of)}]`;
    case 'dict':
      return `Dict(${printType(type.key)}, ${printType(type.value)})`;
    case 'tuple':
      return printTuple(type);
    case 'union':
      return `Union(${type.options.map(printType).join(', ')})`;
  }
}

function printTuple({ items, fields }: Extract<IrType, { readonly kind: 'tuple' }>): string {
  const printed = items.map(printType);
  if (fields === undefined) return `(${printed.join(', ')})`;
  return `NamedTuple(${printed.map((item, i) => `${fields[i] ?? ''} : ${item}`).join(', ')})`;
}

/** Whether two types are the same. */
export function sameType(a: IrType, b: IrType): boolean {
  if (a === b) return true;
  switch (a.kind) {
    case 'simple':
    case 'variable':
    case 'class':
      return a.kind === b.kind && a.name === b.name;
    case 'optional':
    case 'list':
    case 'future':
      return a.kind === b.kind && sameType(a.of, b.of);
    case 'dict':
      return b.kind === 'dict' && sameType(a.key, b.key) && sameType(a.value, b.value);
    case 'tuple':
      return b.kind === 'tuple' && a.name === b.name && sameTypes(a.items, b.items);
    case 'union':
      return b.kind === 'union' && sameTypes(a.options, b.options);
  }
}

function sameTypes(a: readonly IrType[], b: readonly IrType[]): boolean {
  return a.length === b.length && a.every((type, i) => sameType(type, b[i] ?? ANY));
}

/** Whether a value of type `a` is accepted as a value of type `b`. */
export function isSubtype(a: IrType, b: IrType): boolean {
  if (sameType(a, b) || sameType(b, ANY)) return true;
  if (a.kind === 'union') return a.options.every((option) => isSubtype(option, b));
  switch (b.kind) {
    case 'optional':
      return sameType(a, NONE) || isSubtype(a.kind === 'optional' ? a.of : a, b.of);
    case 'union':
      return b.options.some((option) => isSubtype(a, option));
    case 'future':
      return a.kind === 'future' && isSubtype(a.of, b.of);
    case 'tuple':
      return (
        a.kind === 'tuple' &&
        (b.name === undefined || b.name === a.name) &&
        a.items.length === b.items.length &&
        a.items.every((item, i) => isSubtype(item, b.items[i] ?? ANY))
      );
    case 'class':
      return b.form === 'interface' && a.kind === 'class';
    case 'simple':
      return isSubtypeOfName(a, b.name);
    case 'list':
    case 'dict':
    case 'variable':
      return false;
  }
}

function isSubtypeOfName(a: IrType, name: string): boolean {
  switch (name) {
    case 'Scalar':
      return a.kind === 'simple' && ['int', 'float', 'complex'].includes(a.name);
    case 'AnyListType':
      return a.kind === 'list';
    case 'AnyTupleType':
      return a.kind === 'tuple';
    case 'AnyClassType':
      return a.kind === 'class' && a.form !== 'enum';
    case 'AnyEnumType':
      return a.kind === 'class' && a.form === 'enum';
    default:
      return false;
  }
}

/** The type of a value that has type `a` on one path and `b` on the other. */
export function unifyTypes(a: IrType, b: IrType): IrType {
  if (isSubtype(a, b)) return b;
  if (isSubtype(b, a)) return a;
  if (sameType(a, NONE)) return { kind: 'optional', of: b };
  if (sameType(b, NONE)) return { kind: 'optional', of: a };
  if (a.kind === 'optional' && b.kind === 'optional') return { kind: 'optional', of: unifyTypes(a.of, b.of) };
  if (a.kind === 'tuple' && b.kind === 'tuple' && a.items.length === b.items.length) {
    return { kind: 'tuple', items: a.items.map((item, i) => unifyTypes(item, b.items[i] ?? ANY)) };
  }
  if (a.kind === 'list' && b.kind === 'list') return { kind: 'list', of: unifyTypes(a.of, b.of) };
  const options = [a, b].flatMap((type) => (type.kind === 'union' ? type.options : [type]));
  return { kind: 'union', options };
}

/** Whether a value of this type can change after it was made. Constants must not be computed from such values. */
export function isMutable(type: IrType): boolean {
  switch (type.kind) {
    case 'simple':
      return ['Tensor', 'Any', 'AnyListType', 'AnyTupleType', 'AnyClassType', 'Storage'].includes(type.name);
    case 'optional':
      return isMutable(type.of);
    case 'tuple':
      return type.items.some(isMutable);
    case 'union':
      return type.options.some(isMutable);
    case 'class':
      return type.form !== 'enum';
    case 'list':
    case 'dict':
    case 'future':
    case 'variable':
      return true;
  }
}

/** The inner type of an optional. Other types are returned as they are. */
export function unwrapOptional(type: IrType): IrType {
  return type.kind === 'optional' ? type.of : type;
}
