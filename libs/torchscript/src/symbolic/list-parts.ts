import { ListValue, TensorValue, type Column, type ItemForm, type Value } from './values.ts';

/** The values that make up a list: its items, or the tensors that hold the items of a list of unknown length. */
export function partsOf(list: ListValue): readonly Value[] {
  if (list.grown === undefined) return list.stored;
  return list.grown.columns.flatMap(({ data, sizes }) => (sizes === undefined ? [data] : [data, sizes]));
}

/** A list like `list`, made of other parts. */
export function withParts(list: ListValue, parts: readonly Value[]): ListValue {
  const { grown } = list;
  if (grown === undefined) return new ListValue(parts);
  let next = 0;
  const tensor = (): TensorValue => {
    const part = parts[next++];
    if (!(part instanceof TensorValue)) throw new TypeError('a part of a list of unknown length is not a tensor');
    return part;
  };
  const columns = grown.columns.map(({ sizes }): Column =>
    sizes === undefined ? { data: tensor() } : { data: tensor(), sizes: tensor() },
  );
  return new ListValue([], { form: grown.form, columns });
}

/** Whether two lists have parts of the same meaning: a length known at compile time, or items of one form held alike. */
export function sameStructure(a: ListValue, b: ListValue): boolean {
  if (a.grown === undefined || b.grown === undefined) {
    return a.grown === b.grown && a.pieces === b.pieces && a.stored.length === b.stored.length;
  }
  const other = b.grown.columns;
  return (
    sameForm(a.grown.form, b.grown.form) &&
    a.grown.columns.every(({ sizes }, i) => (sizes === undefined) === (other[i]?.sizes === undefined))
  );
}

/** Whether items of two forms have the same structure. */
export function sameForm(a: ItemForm, b: ItemForm): boolean {
  if (a.kind === 'list' && b.kind === 'list') return sameForm(a.of, b.of);
  if (a.kind === 'tuple' && b.kind === 'tuple') {
    return a.items.length === b.items.length && a.items.every((item, i) => sameForm(item, b.items[i] ?? item));
  }
  return a.kind === b.kind;
}
