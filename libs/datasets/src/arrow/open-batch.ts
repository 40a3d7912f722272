import { SconceError } from '@sconce/errors';
import type { ByteSource } from '@sconce/storage';
import { datasetError, shown } from '../dataset-error.ts';
import type { ColumnValues } from '../row-block.ts';
import { readLayout } from './arrow-messages.ts';
import type { ArrowField, ArrowType } from './arrow-schema.ts';
import { BatchBody } from './batch-body.ts';
import type { Batch } from './batch-index.ts';
import { buffersOf, layColumns, typeOf, type ColumnLayout } from './column-layout.ts';
import { readValues, type Dictionaries } from './column-values.ts';
import { damagedAt, type MessageSource } from './message-source.ts';

/** Columns that are read concurrently. */
const AT_ONCE = 4;
/** Memory of a list, or of a value that is not a number in addition to its bytes. */
const OBJECT_BYTES = 40;
const LIST_BYTES = 120;

/** An open batch, whose rows are read. */
export class OpenBatch {
  readonly batch: Batch;
  readonly #columns: readonly ColumnLayout[];
  readonly #body: BatchBody;
  readonly #dictionaries: Dictionaries;

  private constructor(
    batch: Batch,
    columns: readonly ColumnLayout[],
    read: { readonly body: BatchBody; readonly dictionaries: Dictionaries },
  ) {
    this.batch = batch;
    this.#columns = columns;
    this.#body = read.body;
    this.#dictionaries = read.dictionaries;
  }

  /** Reads the positions of the batch's columns. @throws SconceError `invalid_dataset` if they are damaged. */
  static async open(
    from: { readonly source: ByteSource; readonly messages: MessageSource; readonly dictionaries: Dictionaries },
    batch: Batch,
    columns: { readonly fields: readonly ArrowField[]; readonly wanted: readonly number[] },
  ): Promise<OpenBatch> {
    const placed = await from.messages.at(batch.offset);
    if (placed?.message.kind !== 'batch' || placed.message.rows !== batch.rows) {
      throw damagedAt(batch.offset, 'there is no batch of rows');
    }
    const { message, bodyOffset, end } = placed;
    try {
      const layout = readLayout(message.batch, end - bodyOffset);
      const all = layColumns(columns.fields, layout);
      const wanted = columns.wanted.flatMap((at) => all[at] ?? []);
      const body = new BatchBody(from.source, layout, { offset: bodyOffset, end });
      return new OpenBatch(batch, wanted, { body, dictionaries: from.dictionaries });
    } catch (error) {
      if (error instanceof SconceError) throw error;
      throw damagedAt(batch.offset, error instanceof Error ? error.message : String(error), error);
    }
  }

  /** Approximate memory of a row of the requested columns. */
  get rowBytes(): number {
    return this.#columns.reduce((sum, column) => sum + this.#valueBytes(column), 0);
  }

  /** Rows `from` to `to`, by their numbers in the file. @throws SconceError `invalid_dataset` if they are damaged. */
  async read(from: number, to: number): Promise<ColumnValues[]> {
    const { firstRow, rows } = this.batch;
    const stored = this.#columns.flatMap(buffersOf).reduce((sum, buffer) => sum + this.#body.sizeOf(buffer), 0);
    this.#body.prepare((stored * (to - from)) / rows);
    const values: ColumnValues[] = [];
    for (let start = 0; start < this.#columns.length; start += AT_ONCE) {
      const some = this.#columns.slice(start, start + AT_ONCE).map(async (column) => {
        try {
          const source = { body: this.#body, dictionaries: this.#dictionaries };
          return await readValues(column, source, from - firstRow, to - firstRow);
        } catch (error) {
          throw explained(error, column.field.name, { from, to });
        }
      });
      values.push(...(await Promise.all(some)));
    }
    return values;
  }

  #valueBytes(column: ColumnLayout): number {
    const { field, nulls, children, length } = column;
    const type = typeOf(field);
    const members = children.reduce(
      (sum, child) => sum + (this.#valueBytes(child) * child.length) / Math.max(1, length),
      0,
    );
    if (field.dictionary !== undefined) return OBJECT_BYTES;
    if (children.length > 0) return LIST_BYTES + members;
    const plain = nulls !== 0 ? OBJECT_BYTES : 0;
    if (type.kind !== 'bytes') return plain + widthOf(type);
    const stored = buffersOf(column).reduce((sum, buffer) => sum + this.#body.sizeOf(buffer), 0);
    const packed = this.#body.layout.compression === undefined ? 1 : 4;
    return OBJECT_BYTES + (packed * stored) / Math.max(1, length);
  }
}

function widthOf(type: ArrowType): number {
  if (type.kind === 'int' || type.kind === 'float') return type.bits / 8;
  return type.kind === 'fixed_bytes' ? OBJECT_BYTES + type.width : OBJECT_BYTES;
}

function explained(error: unknown, column: string, { from, to }: { from: number; to: number }): unknown {
  if (error instanceof SconceError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return datasetError(
    `The Arrow file is damaged in column ${shown(column)}, rows ${from} to ${to - 1}: ${why}. Write it again.`,
    { cause: error },
  );
}
