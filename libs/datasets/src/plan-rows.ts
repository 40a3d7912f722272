import type { ChunkSize, DatasetPosition, PlannedChunk } from './dataset-reader.ts';

/** The next chunk of a format that finds rows by number. */
export function planRows(
  from: DatasetPosition,
  file: { readonly size: ChunkSize; readonly rows: number; readonly rowBytes: number },
): PlannedChunk {
  const { rows: wanted, multipleOf, maxBytes } = file.size;
  const left = file.rows - from.row;
  if (left <= 0) return { next: from, last: true };
  const byBytes = Math.max(1, Math.floor(maxBytes / Math.max(1, file.rowBytes)));
  const most = Math.max(multipleOf, Math.floor(Math.min(wanted, byBytes) / multipleOf) * multipleOf);
  const rows = Math.min(left, most);
  return {
    chunk: { firstRow: from.row, rows, offset: 0, length: 0 },
    next: { row: from.row + rows, offset: 0 },
    last: rows === left,
  };
}
