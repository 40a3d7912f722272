import { DATATYPE_BYTES, type Tensor } from '@sconce/tensor';

/** The outputs that hold one leaf of all items of a returned list. */
export interface OutputColumn {
  /**
   * The output that holds the leaves along a new axis 0. With `sizes` it is 1-D and holds the elements of all leaves, one leaf after
   * the other.
   */
  readonly values: string;
  /** The output that holds the shape of each leaf: int64 [count, rank]. */
  readonly sizes?: string;
  /** 1 for the items of a list, 2 for the items of a list of lists: then axis 0 of a leaf is the inner list, and so on. */
  readonly depth: number;
}

/** A returned list whose length is known only at run time. Items that are tuples have a column for each of their parts. */
export interface OutputList {
  readonly columns: readonly OutputColumn[];
}

/**
 * The outputs of a run as PyTorch's results spread in order: every list of unknown length is replaced by its items. Strings are left
 * out, because files of tensors cannot hold them.
 */
export function spreadLists(outputs: readonly Tensor[], lists: readonly OutputList[]): Tensor[] {
  const byName = new Map(outputs.map((output) => [output.name, output]));
  const firsts = new Map(lists.map((list) => [list.columns[0]?.values, list]));
  const parts = new Set(lists.flatMap(({ columns }) => columns.flatMap(({ values, sizes }) => [values, sizes])));
  return outputs.flatMap((output) => {
    const list = firsts.get(output.name);
    if (list !== undefined) return spread(list, byName);
    return parts.has(output.name) || output.datatype === 'BYTES' ? [] : [output];
  });
}

function spread({ columns }: OutputList, outputs: ReadonlyMap<string, Tensor>): Tensor[] {
  const split = columns.flatMap(({ values, sizes, depth }) => {
    const tensor = outputs.get(values);
    if (tensor === undefined || tensor.datatype === 'BYTES') return [];
    const leaves = sizes === undefined ? rowsOf(tensor) : raggedRows(tensor, outputs.get(sizes));
    return [leaves.map((leaf) => itemsOf(leaf, depth - 1))];
  });
  const [first = []] = split;
  return first.flatMap((_, row) => split.flatMap((leaves) => leaves[row] ?? []));
}

/** The items of lists that are nested `depth` deep in a tensor. */
function itemsOf(tensor: Tensor, depth: number): Tensor[] {
  return depth === 0 ? [tensor] : rowsOf(tensor).flatMap((row) => itemsOf(row, depth - 1));
}

/** Bytes of one element. */
const bytesOf = ({ datatype }: Tensor): number => DATATYPE_BYTES[datatype] ?? 1;

/** The tensors along axis 0. */
function rowsOf(tensor: Tensor): Tensor[] {
  const [count = 0, ...shape] = tensor.shape;
  const bytes = shape.reduce((product, size) => product * size, bytesOf(tensor));
  return Array.from({ length: count }, (_, i) => ({
    ...tensor,
    name: `${tensor.name}[${i}]`,
    shape,
    data: tensor.data.slice(i * bytes, (i + 1) * bytes),
  }));
}

function raggedRows(tensor: Tensor, sizes: Tensor | undefined): Tensor[] {
  const [count = 0, rank = 0] = sizes?.shape ?? [];
  const data = sizes?.data ?? new Uint8Array();
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let start = 0;
  return Array.from({ length: count }, (_, i) => {
    const shape = Array.from({ length: rank }, (__, axis) => Number(view.getBigInt64((i * rank + axis) * 8, true)));
    const end = shape.reduce((product, size) => product * size, bytesOf(tensor)) + start;
    const row = { ...tensor, name: `${tensor.name}[${i}]`, shape, data: tensor.data.slice(start, end) };
    start = end;
    return row;
  });
}
