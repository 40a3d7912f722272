import type { FixedDatatype } from '@sconce/tensor';
import { datasetError, listed } from '../dataset-error.ts';
import type { DatasetWriter } from '../output/dataset-writer.ts';
import { widthOf, type OutputColumn } from '../output/output-mapping.ts';
import { npyHeader } from './npy-header.ts';

const EMPTY = new Uint8Array(0);

/** Writes a `.npy` file of one output. @throws SconceError `invalid_dataset` unless there is one column of numbers of one shape. */
export function npyWriter(columns: readonly OutputColumn[]): DatasetWriter {
  const [column] = columns;
  if (columns.length !== 1 || column?.source.kind !== 'output') {
    throw datasetError(
      `A .npy file can store one output; the results have ${listed(columns.map(({ name }) => name))}: select one, or use another format.`,
      { param: 'outputs' },
    );
  }
  const { datatype, rowShape } = column;
  if (datatype === 'BYTES' || datatype === 'JSON' || widthOf(column) < 0) {
    throw datasetError(
      `A .npy file can store numbers of one shape; column "${column.name}" is ${datatype} of shape [${rowShape.join(',')}].`,
      {
        param: 'outputs',
      },
    );
  }
  const header = (rows: number): Buffer => npyHeader(datatype satisfies FixedDatatype, [rows, ...rowShape]);
  return {
    begin: ({ rows }) => header(rows),
    part: () => ({
      write: ({ columns: [values] }) => {
        if (values?.kind !== 'elements') return [];
        const { buffer, byteOffset, byteLength } = values.elements;
        return [new Uint8Array(buffer, byteOffset, byteLength)];
      },
      end: () => ({ body: [], trailer: EMPTY }),
    }),
    end: () => EMPTY,
  };
}
