import type { OpenByteSource } from '@sconce/storage';
import { datasetError } from '../dataset-error.ts';
import type { DatasetReader } from '../dataset-reader.ts';

export async function openArrow(source: OpenByteSource): Promise<DatasetReader> {
  throw datasetError(`not yet ${source.size}`);
}
