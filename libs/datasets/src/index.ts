export { datasetError, type RowProblem } from './dataset-error.ts';
export { DATASET_FORMATS, MEDIA_TYPES, type DatasetFormat } from './dataset-format.ts';
export type {
  ChunkRange,
  ChunkSize,
  DatasetColumn,
  DatasetPosition,
  DatasetReader,
  PlannedChunk,
} from './dataset-reader.ts';
export { cellOf, type Cells, type ColumnValues, type RowBlock } from './row-block.ts';
export { csvOptions, type CsvOptions } from './csv/csv-reader.ts';
export { cannotUnpack, isReadable, isText, packingOf, readableText } from './text/readable-text.ts';
export { InputEncoder, type EncodedInputs, type InputGroup } from './mapping/encode-inputs.ts';
export { missingValue } from './mapping/missing-values.ts';
export { numberFormat } from './mapping/number-format.ts';
export { mapInputs, type InputSource, type MappableModel, type MappedInput } from './mapping/input-mapping.ts';
export type { DatasetWriter, FinishedPart, PartWriter } from './output/dataset-writer.ts';
export { assembleFile, bytesOfParts, streamParts, type FileParts, type StoredPart } from './output/file-parts.ts';
export { OutputEncoder, type GroupResult, type OutputBlock, type OutputValues } from './output/output-encoder.ts';
export {
  OUTPUT_TRANSFORMS,
  mapOutputs,
  type OutputColumn,
  type OutputSelection,
  type OutputTransform,
} from './output/output-mapping.ts';
export {
  REQUEST_COLUMNS,
  groupRequests,
  readCustomId,
  readRequests,
  type RequestGroup,
  type RequestLine,
  type RequestModel,
} from './requests/request-lines.ts';
export { answerLine, failureLine, type AnsweringModel } from './requests/request-results.ts';
export { createWriter, openDataset, type FormatOptions } from './open-dataset.ts';
export type { DatasetPreview, PreviewProblem, PreviewedTable } from './preview/dataset-preview.ts';
export { previewedTable } from './preview/previewed-table.ts';
export { previewDataset, type PreviewedModel } from './preview/preview-dataset.ts';
export type { RunRows } from './preview/read-sample.ts';
