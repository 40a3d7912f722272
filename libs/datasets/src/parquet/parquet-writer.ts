import { parquetMetadata } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { SconceError } from '@sconce/errors';
import type { DatasetWriter, FinishedPart, PartWriter } from '../output/dataset-writer.ts';
import type { OutputBlock, OutputValues } from '../output/output-encoder.ts';
import type { OutputColumn } from '../output/output-mapping.ts';
import { HeldRows, type HeldGroup } from './held-rows.ts';
import type { FileMetaData, SchemaElement } from './hyparquet-parts.ts';
import { writeColumn } from './hyparquet-writer-parts.ts';
import { storedColumn, type StoredColumn } from './stored-columns.ts';
import { storedValues } from './stored-values.ts';

const MAGIC = Buffer.from('PAR1');
const PAGE_BYTES = 1024 ** 2;
const CODEC = 'SNAPPY';
const CREATED_BY = 'sconce';

type RowGroup = FileMetaData['row_groups'][number];

/**
 * Writes Parquet. Each part has whole row groups, and its trailer is the footer that the part would have as a separate file. The footer of
 * the file is made from these footers, with their offsets moved to the position of the part.
 */
export function parquetWriter(columns: readonly OutputColumn[]): DatasetWriter {
  const stored = columns.map(storedColumn);
  const root: SchemaElement = { name: 'schema', num_children: stored.length };
  const schema = [root, ...stored.flatMap((column) => column.elements)];
  return {
    begin: () => Uint8Array.from(MAGIC),
    part: () => new ParquetPart(stored, schema),
    end: ({ rows, beginBytes, parts }) => {
      const bytes = new ByteWriter();
      const writer = newWriter(bytes, schema);
      writer.row_groups = movedGroups(parts, beginBytes);
      writer.num_rows = BigInt(rows);
      // It never waits, because the bytes are in memory.
      void writer.finish();
      return bytes.getBytes().slice(MAGIC.length);
    },
  };
}

class ParquetPart implements PartWriter {
  readonly #columns: readonly StoredColumn[];
  readonly #root: SchemaElement;
  readonly #bytes = new ByteWriter();
  readonly #writer: ParquetWriter;
  /** The rows of the next row group. */
  readonly #held: HeldRows;

  constructor(columns: readonly StoredColumn[], schema: readonly SchemaElement[]) {
    const [root] = schema;
    if (root === undefined) throw new SconceError('internal', 'a schema has no root');
    this.#columns = columns;
    this.#root = root;
    this.#writer = newWriter(this.#bytes, schema);
    this.#held = new HeldRows(columns.length);
    // The writer begins with the magic. The file has it once, before all parts, and offsets include it.
    this.#take();
  }

  write(block: OutputBlock): readonly Uint8Array[] {
    return Array.from(this.#held.add(block), (group) => this.#writeGroup(group));
  }

  end(): { body: readonly Uint8Array[]; trailer: Uint8Array } {
    const body = Array.from(this.#held.rest(), (group) => this.#writeGroup(group));
    void this.#writer.finish();
    return { body, trailer: this.#take() };
  }

  #writeGroup(group: HeldGroup): Uint8Array {
    const start = this.#bytes.offset;
    const columns = this.#columns.map((column, index) => this.#writeColumn(column, group.columns[index] ?? []));
    const rows = BigInt(group.rows);
    this.#writer.row_groups.push({
      columns,
      num_rows: rows,
      total_byte_size: columns.reduce((sum, { meta_data: meta }) => sum + (meta?.total_uncompressed_size ?? 0n), 0n),
      total_compressed_size: BigInt(this.#bytes.offset - start),
    });
    this.#writer.num_rows += rows;
    return this.#take();
  }

  #writeColumn(column: StoredColumn, pieces: readonly OutputValues[]): RowGroup['columns'][number] {
    const { elements, encoding } = column;
    const element = elements.at(-1) ?? this.#root;
    const { chunk } = writeColumn({
      writer: this.#bytes,
      column: {
        columnName: elements.map(({ name }) => name).join('.'),
        element,
        schemaPath: [this.#root, ...elements],
        codec: CODEC,
        compressors: this.#writer.compressors,
        stats: false,
        pageSize: PAGE_BYTES,
        columnIndex: false,
        offsetIndex: false,
        ...(encoding === undefined ? {} : { encoding }),
      },
      // The writer only counts and slices levels, so typed arrays work.
      pageData: storedValues(column, pieces) as Parameters<typeof writeColumn>[0]['pageData'],
    });
    return chunk;
  }

  #take(): Uint8Array {
    const bytes = this.#bytes.getBytes().slice();
    this.#bytes.index = 0;
    return bytes;
  }
}

/** Without statistics: they are rarely used for results, and they would be most of the footer. */
function newWriter(writer: ByteWriter, schema: readonly SchemaElement[]): ParquetWriter {
  return new ParquetWriter({ writer, schema: [...schema], codec: CODEC, statistics: false, createdBy: CREATED_BY });
}

function movedGroups(parts: readonly FinishedPart[], beginBytes: number): RowGroup[] {
  const groups: RowGroup[] = [];
  let offset = beginBytes;
  for (const { bytes, trailer } of parts) {
    const by = BigInt(offset - MAGIC.length);
    for (const group of parquetMetadata(trailer, { geoparquet: false }).row_groups) {
      for (const column of group.columns) {
        const { meta_data: meta } = column;
        if (meta === undefined) throw new SconceError('internal', 'a part of the results lacks a column');
        column.file_offset += by;
        meta.data_page_offset += by;
        if (meta.dictionary_page_offset !== undefined) meta.dictionary_page_offset += by;
      }
      groups.push(group);
    }
    offset += bytes;
  }
  return groups;
}
