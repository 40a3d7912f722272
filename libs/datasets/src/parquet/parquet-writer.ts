import { datasetError } from '../dataset-error.ts';
import type { DatasetWriter } from '../output/dataset-writer.ts';
import type { OutputColumn } from '../output/output-mapping.ts';

export function parquetWriter(columns: readonly OutputColumn[]): DatasetWriter {
  throw datasetError(`not yet ${columns.length}`);
}
