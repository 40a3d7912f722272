import { ANY, NONE, sameType, unifyTypes, type IrType } from './ir-type.ts';

/** The types of a schema's variables (`t` in `t[]`) in one call. */
export type TypeBindings = Map<string, IrType>;

/** Binds the variables of a parameter's type to the matching parts of a value's type. Returns false if the types do not fit. */
export function bindVariables(formal: IrType, actual: IrType, bindings: TypeBindings): boolean {
  switch (formal.kind) {
    case 'variable': {
      const bound = bindings.get(formal.name);
      bindings.set(formal.name, bound === undefined ? actual : unifyTypes(bound, actual));
      return true;
    }
    case 'optional':
      if (actual.kind === 'optional') return bindVariables(formal.of, actual.of, bindings);
      return sameType(actual, NONE) || bindVariables(formal.of, actual, bindings);
    case 'list':
      return bindList(formal.of, actual, bindings);
    case 'future':
      return !hasVariables(formal) || (actual.kind === 'future' && bindVariables(formal.of, actual.of, bindings));
    case 'dict':
      if (!hasVariables(formal)) return true;
      if (actual.kind !== 'dict') return false;
      return bindVariables(formal.key, actual.key, bindings) && bindVariables(formal.value, actual.value, bindings);
    case 'tuple':
      if (!hasVariables(formal)) return true;
      if (actual.kind !== 'tuple' || actual.items.length !== formal.items.length) return false;
      return formal.items.every((item, i) => bindVariables(item, actual.items[i] ?? ANY, bindings));
    default:
      return true;
  }
}

function bindList(of: IrType, actual: IrType, bindings: TypeBindings): boolean {
  if (!hasVariables(of)) return true;
  if (actual.kind === 'list') return bindVariables(of, actual.of, bindings);
  if (actual.kind !== 'tuple') return false;
  const [first, ...rest] = actual.items;
  return first !== undefined && bindVariables(of, rest.reduce(unifyTypes, first), bindings);
}

/** A type with its variables replaced; undefined if one is not bound. */
export function substitute(type: IrType, bindings: TypeBindings): IrType | undefined {
  if (!hasVariables(type)) return type;
  switch (type.kind) {
    case 'variable':
      return bindings.get(type.name);
    case 'optional':
    case 'list':
    case 'future': {
      const of = substitute(type.of, bindings);
      return of === undefined ? undefined : { kind: type.kind, of };
    }
    case 'dict': {
      const key = substitute(type.key, bindings);
      const value = substitute(type.value, bindings);
      return key === undefined || value === undefined ? undefined : { kind: 'dict', key, value };
    }
    case 'tuple': {
      const items = type.items.map((item) => substitute(item, bindings));
      const found = items.filter((item) => item !== undefined);
      return found.length < items.length ? undefined : { kind: 'tuple', items: found };
    }
    default:
      return type;
  }
}

function hasVariables(type: IrType): boolean {
  switch (type.kind) {
    case 'variable':
      return true;
    case 'optional':
    case 'list':
    case 'future':
      return hasVariables(type.of);
    case 'dict':
      return hasVariables(type.key) || hasVariables(type.value);
    case 'tuple':
      return type.items.some(hasVariables);
    default:
      return false;
  }
}
