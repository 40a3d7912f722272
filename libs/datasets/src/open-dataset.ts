import type { OpenByteSource } from '@sconce/storage';
import { openCsv, type CsvOptions } from './csv/csv-reader.ts';
import { csvWriter } from './csv/csv-writer.ts';
import type { DatasetFormat } from './dataset-format.ts';
import type { DatasetReader } from './dataset-reader.ts';
import { openJsonl } from './jsonl/jsonl-reader.ts';
import { jsonlWriter } from './jsonl/jsonl-writer.ts';
import { checkRowCount } from './limits.ts';
import { openNpy } from './npy/npy-reader.ts';
import { npyWriter } from './npy/npy-writer.ts';
import type { DatasetWriter } from './output/dataset-writer.ts';
import type { OutputColumn } from './output/output-mapping.ts';

/** Options of single formats. */
export interface FormatOptions {
  readonly csv?: CsvOptions;
}

// The libraries of Parquet and Arrow are loaded at their first use, so that a process that does not need them does not load them.

/**
 * Opens a dataset. The reader owns the source; if opening fails, the source is closed.
 * @throws SconceError `invalid_dataset` if the file is not of the format, is cut off or damaged; `storage_unavailable`.
 */
export async function openDataset(
  source: OpenByteSource,
  format: DatasetFormat,
  options: FormatOptions = {},
): Promise<DatasetReader> {
  try {
    const reader = await openFormat(source, format, options);
    checkRowCount(reader.rows ?? 0);
    return reader;
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openFormat(
  source: OpenByteSource,
  format: DatasetFormat,
  options: FormatOptions,
): Promise<DatasetReader> {
  switch (format) {
    case 'csv':
      return openCsv(source, options.csv ?? {});
    case 'jsonl':
      return openJsonl(source);
    case 'parquet':
      return (await import('./parquet/parquet-reader.ts')).openParquet(source);
    case 'arrow':
      return (await import('./arrow/arrow-reader.ts')).openArrow(source);
    case 'npy':
      return openNpy(source);
  }
}

/** Creates a writer of results. @throws SconceError `invalid_dataset` if the format cannot store such columns. */
export async function createWriter(
  columns: readonly OutputColumn[],
  format: DatasetFormat,
  options: FormatOptions = {},
): Promise<DatasetWriter> {
  switch (format) {
    case 'csv':
      return csvWriter(columns, options.csv ?? {});
    case 'jsonl':
      return jsonlWriter(columns);
    case 'parquet':
      return (await import('./parquet/parquet-writer.ts')).parquetWriter(columns);
    case 'arrow':
      return (await import('./arrow/arrow-writer.ts')).arrowWriter(columns);
    case 'npy':
      return npyWriter(columns);
  }
}
