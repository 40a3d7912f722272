/** Formats of datasets, read and written. */
export const DATASET_FORMATS = ['csv', 'jsonl', 'parquet', 'arrow', 'npy'] as const;

export type DatasetFormat = (typeof DATASET_FORMATS)[number];

const BY_EXTENSION: Readonly<Record<string, DatasetFormat>> = {
  csv: 'csv',
  tsv: 'csv',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  parquet: 'parquet',
  arrow: 'arrow',
  feather: 'arrow',
  ipc: 'arrow',
  npy: 'npy',
};

/** The media type of each format. */
export const MEDIA_TYPES: Readonly<Record<DatasetFormat, string>> = {
  csv: 'text/csv',
  jsonl: 'application/jsonl',
  parquet: 'application/vnd.apache.parquet',
  arrow: 'application/vnd.apache.arrow.file',
  npy: 'application/x-npy',
};

/** The format that a file's name tells, `.gz` left aside; undefined where it tells none. */
export function formatOfName(name: string): DatasetFormat | undefined {
  const extension = /\.([A-Za-z0-9]+)(?:\.gz)?$/.exec(name)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : BY_EXTENSION[extension];
}
