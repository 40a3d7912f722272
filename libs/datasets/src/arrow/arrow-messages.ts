import { FlatTable } from './flat-table.ts';

/** Metadata of this version (V4, written since 2017) and later can be read. */
export const MIN_VERSION = 3;

/** How the buffers of a message are compressed. */
export type BodyCompression = 'lz4' | 'zstd';

/** The position of a batch's rows in the message's body. */
export interface BatchLayout {
  readonly rows: number;
  /** One per column and per member of a column, depth first. */
  readonly nodes: readonly { readonly length: number; readonly nulls: number }[];
  /** For each node, the buffers of its type. */
  readonly buffers: readonly { readonly offset: number; readonly length: number }[];
  readonly compression?: BodyCompression;
  /** Number of data buffers of each column of views, in order. */
  readonly variadic: readonly number[];
}

/** The metadata of a message. */
export type ArrowMessage = { readonly version: number; readonly bodyLength: number } & (
  | { readonly kind: 'schema'; readonly schema: FlatTable }
  | { readonly kind: 'batch'; readonly rows: number; readonly batch: FlatTable }
  | { readonly kind: 'dictionary'; readonly id: number; readonly isDelta: boolean; readonly batch: FlatTable }
  | { readonly kind: 'other' }
);

/** Reads the metadata of a message. @throws RangeError if they are damaged or end early. */
export function readMessage(bytes: Uint8Array): ArrowMessage {
  const message = FlatTable.root(bytes);
  const common = { version: message.integer(0, 16), bodyLength: message.integer(3, 64) };
  const header = message.table(2);
  if (header === undefined || common.bodyLength < 0) throw new RangeError('a message has no header');
  switch (message.integer(1, 8)) {
    case 1:
      return { ...common, kind: 'schema', schema: header };
    case 2: {
      const batch = header.table(1);
      if (batch === undefined) throw new RangeError('a dictionary has no values');
      return { ...common, kind: 'dictionary', id: header.integer(0, 64), isDelta: header.boolean(2), batch };
    }
    case 3: {
      const rows = header.integer(0, 64);
      if (rows < 0) throw new RangeError(`a batch has ${rows} rows`);
      return { ...common, kind: 'batch', rows, batch: header };
    }
    default:
      return { ...common, kind: 'other' };
  }
}

/** Reads the positions of a batch's columns. @throws RangeError if they are damaged. */
export function readLayout(batch: FlatTable, bodyLength: number): BatchLayout {
  const rows = batch.integer(0, 64);
  const nodes = batch.structs(1, 16, (int64) => ({ length: int64(0), nulls: int64(8) }));
  const buffers = batch.structs(2, 16, (int64) => ({ offset: int64(0), length: int64(8) }));
  const variadic = batch.structs(4, 8, (int64) => int64(0));
  for (const { offset, length } of buffers) {
    if (offset < 0 || length < 0 || offset + length > bodyLength) {
      throw new RangeError(`a buffer is at bytes ${offset} to ${offset + length} of ${bodyLength}`);
    }
  }
  if (variadic.some((count) => count < 0 || count > buffers.length))
    throw new RangeError('the number of buffers of views is wrong');
  const compression = batch.table(3);
  if (compression === undefined) return { rows, nodes, buffers, variadic };
  const codec = compression.integer(0, 8);
  if (codec !== 0 && codec !== 1) throw new RangeError(`buffers are compressed with the unknown codec ${codec}`);
  return { rows, nodes, buffers, variadic, compression: codec === 0 ? 'lz4' : 'zstd' };
}
