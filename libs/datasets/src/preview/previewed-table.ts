import { csvOptions, type CsvOptions } from '../csv/csv-reader.ts';
import type { DatasetFormat } from '../dataset-format.ts';
import type { InputSource } from '../mapping/input-mapping.ts';
import type { OutputSelection } from '../output/output-mapping.ts';
import type { PreviewedTable } from './dataset-preview.ts';

/** The fields of a batch's request that say how its table is read and written. */
export interface TableFields {
  readonly inputs?: Readonly<Record<string, InputSource>> | undefined;
  readonly outputs?: readonly OutputSelection[] | undefined;
  readonly pass_through?: readonly string[] | undefined;
  readonly output_format?: DatasetFormat | undefined;
  readonly csv?: CsvOptions | undefined;
  readonly encoding?: string | undefined;
  readonly allow_non_finite?: boolean | undefined;
  readonly missing?: number | string | undefined;
}

/** The table of a request. @param file name of the dataset. */
export function previewedTable(
  fields: TableFields,
  { format, file }: { readonly format: DatasetFormat; readonly file: string },
): PreviewedTable {
  return {
    format,
    outputFormat: fields.output_format ?? format,
    csv: csvOptions(file, fields.csv),
    encoding: fields.encoding,
    inputs: fields.inputs,
    outputs: fields.outputs,
    passThrough: fields.pass_through,
    allowNonFinite: fields.allow_non_finite ?? false,
    missing: fields.missing,
  };
}
