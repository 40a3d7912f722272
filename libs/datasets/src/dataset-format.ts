/** Formats of datasets, read and written. */
export const DATASET_FORMATS = ['csv', 'jsonl', 'parquet', 'arrow', 'npy'] as const;

export type DatasetFormat = (typeof DATASET_FORMATS)[number];

/** The media type of each format. */
export const MEDIA_TYPES: Readonly<Record<DatasetFormat, string>> = {
  csv: 'text/csv',
  jsonl: 'application/jsonl',
  parquet: 'application/vnd.apache.parquet',
  arrow: 'application/vnd.apache.arrow.file',
  npy: 'application/x-npy',
};
