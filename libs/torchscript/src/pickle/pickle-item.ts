import type { GlobalMeaning } from './allowed-globals.ts';
import type { PickleStorage, PickleValue } from './pickle-value.ts';

/** A class or function that the pickle names. It is only an argument of calls, never part of a value. */
export interface NamedGlobal {
  readonly kind: 'global';
  readonly name: string;
  readonly meaning: GlobalMeaning;
}

/** A storage. It is only an argument of calls. */
export interface StorageArgument {
  readonly kind: 'storage';
  readonly storage: PickleStorage;
}

/** A tuple that contains such an argument. */
export interface ArgumentTuple {
  readonly kind: 'arguments';
  readonly items: readonly PickleItem[];
}

/** An item on the unpickler's stack. */
export type PickleItem = PickleValue | NamedGlobal | StorageArgument | ArgumentTuple;

type Tagged = Extract<PickleItem, { readonly kind: string }>;

/** Narrows to one kind of item. */
export function isKind<K extends Tagged['kind']>(
  item: PickleItem | undefined,
  kind: K,
): item is Extract<Tagged, { readonly kind: K }> {
  return typeof item === 'object' && item !== null && item.kind === kind;
}

/** Whether an item may be part of the result. */
export function isValue(item: PickleItem): item is PickleValue {
  return !isKind(item, 'global') && !isKind(item, 'storage') && !isKind(item, 'arguments');
}
