import type { Encoding, SchemaElement } from './hyparquet-parts.ts';
import type { ColumnDatatype, OutputColumn } from '../output/output-mapping.ts';
import { exactStorage } from './exact-types.ts';
import { CONVERTERS } from './plain-values.ts';

/** A column of results in Parquet. */
export interface StoredColumn {
  readonly name: string;
  readonly datatype: ColumnDatatype;
  /** Whether values, lists and elements of lists may be null. */
  readonly optional: boolean;
  readonly isList: boolean;
  /** The column and its members. The last one has the values. */
  readonly elements: readonly SchemaElement[];
  /** A value or element that is not null, in the writer's form. */
  readonly convert: (value: unknown) => unknown;
  /** The encoding, if the writer does not choose it. */
  readonly encoding?: Encoding;
}

const TYPES: Readonly<Record<ColumnDatatype, Partial<SchemaElement>>> = {
  BOOL: { type: 'BOOLEAN' },
  INT8: integer(8, true),
  INT16: integer(16, true),
  INT32: { type: 'INT32' },
  INT64: { type: 'INT64' },
  UINT8: integer(8, false),
  UINT16: integer(16, false),
  UINT32: integer(32, false),
  UINT64: integer(64, false),
  FP32: { type: 'FLOAT' },
  FP64: { type: 'DOUBLE' },
  BYTES: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
  JSON: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
};

/** How a column is stored: outputs are required, passed columns are optional; a value with a shape is a flat list of its elements. */
export function storedColumn({ name, datatype, rowShape, exact, source }: OutputColumn): StoredColumn {
  const optional = source.kind === 'column';
  const repetition_type = optional ? 'OPTIONAL' : 'REQUIRED';
  const isList = rowShape.length > 0;
  const storage = exactStorage(exact);
  const type = storage?.element ?? TYPES[datatype];
  const elements: SchemaElement[] = isList
    ? [
        { name, repetition_type, num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
        { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
        { ...type, name: 'element', repetition_type },
      ]
    : [{ ...type, name, repetition_type }];
  // A dictionary does not distinguish 0 and -0, and floats rarely repeat.
  const plain = datatype === 'FP32' || datatype === 'FP64';
  const convert = storage?.convert ?? CONVERTERS[datatype];
  return { name, datatype, optional, isList, elements, convert, ...(plain ? { encoding: 'PLAIN' } : {}) };
}

/** Only the older annotation: hyparquet-writer writes the width of the newer one with a wrong type. */
function integer(bitWidth: 8 | 16 | 32 | 64, isSigned: boolean): Partial<SchemaElement> {
  return {
    type: bitWidth === 64 ? 'INT64' : 'INT32',
    converted_type: `${isSigned ? 'INT' : 'UINT'}_${bitWidth}`,
  };
}
